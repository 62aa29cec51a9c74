package org.flexagora.platform;

import java.time.Clock;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.UUID;
import java.util.function.Function;
import org.flexagora.eump.model.HeldEventPage;
import org.flexagora.eump.model.HeldServiceOffer;
import org.flexagora.eump.model.HeldServiceOfferPage;
import org.flexagora.eump.model.NotificationReplay;
import org.flexagora.eump.model.NotificationReplayOrder;
import org.flexagora.runtime.Journal;
import org.flexagora.runtime.Problem;
import org.flexagora.runtime.Secrets;

/** What a platform holds and sends again, for a marketplace that compares after a restore. */
public final class Held {
  private static final int AT_ONCE = 500;

  private final Journal journal;
  private final MarketplaceConnection marketplace;
  private final Notifier notifier;
  private final Settings settings;
  private final Clock clock;

  private record Page<T>(List<T> items, String next) {}

  public Held(
      Journal journal, MarketplaceConnection marketplace, Notifier notifier, Settings settings,
      Clock clock) {
    this.journal = journal;
    this.marketplace = marketplace;
    this.notifier = notifier;
    this.settings = settings;
    this.clock = clock;
  }

  /** Returns a page of the events that occurred at or after a moment. */
  public HeldEventPage events(OffsetDateTime since, int limit, String cursor) {
    SortedMap<String, Inbox.Event> events = journal.all(Inbox.EVENTS, Inbox.Event.class);
    events.values().removeIf(event -> event.held().getOccurredAt().isBefore(since));
    var page = page(events, limit, cursor, each -> each.getValue().held());
    return new HeldEventPage().items(page.items()).nextCursor(page.next());
  }

  /** Returns a page of the subscriptions. */
  public HeldServiceOfferPage serviceOffers(int limit, String cursor) {
    var all = journal.all(Inbox.SUBSCRIPTIONS, Subscription.class);
    var page = page(all, limit, cursor, each -> offer(each.getValue()));
    return new HeldServiceOfferPage().items(page.items()).nextCursor(page.next());
  }

  /** Queues a part of the notifications again that were acknowledged since a moment. */
  public NotificationReplay replay(NotificationReplayOrder order) {
    return journal.transaction(() -> {
      var done = journal.all(Notifier.DONE, Notifier.Notification.class);
      done.values().removeIf(one -> one.endedAt().isBefore(order.getSince().toInstant()));
      var page = page(done, AT_ONCE, order.getCursor(), each -> each);
      page.items().forEach(each -> {
        journal.remove(Notifier.DONE + each.getKey());
        journal.put(Notifier.WAITING + each.getKey(), each.getValue().again());
      });
      journal.afterwards(notifier::wake);
      var keptSince = clock.instant().minus(settings.notificationRetention());
      return new NotificationReplay().queued(page.items().size()).nextCursor(page.next())
          .keptSince(keptSince.atOffset(ZoneOffset.UTC))
          .apiKeyHash(marketplace.present().map(Secrets::hash).orElse(null));
    });
  }

  private static HeldServiceOffer offer(Subscription held) {
    var details = held.details();
    return new HeldServiceOffer().subscriptionId(held.id()).platformRole(held.role())
        .state(held.state()).stateSince(held.since()).reason(held.reason())
        .confirmedAt(details.getOccurredAt()).supersedes(details.getSupersedes())
        .service(details.getService()).provider(details.getProvider())
        .requester(details.getRequester()).terms(details.getTerms());
  }

  private static <V, T> Page<T> page(
      SortedMap<String, V> all, int limit, String cursor, Function<Map.Entry<String, V>, T> item) {
    SortedMap<String, V> rest = cursor == null ? all : all.tailMap(uuid(cursor) + "\0");
    List<Map.Entry<String, V>> taken = rest.entrySet().stream().limit(limit).toList();
    String next = rest.size() > limit ? taken.get(limit - 1).getKey() : null;
    return new Page<>(taken.stream().map(item).toList(), next);
  }

  private static String uuid(String cursor) {
    try {
      return UUID.fromString(cursor).toString();
    } catch (IllegalArgumentException error) {
      throw Problem.invalid("cursor", "cursor", "It is no cursor of this list.");
    }
  }
}

package org.flexagora.platform;

import java.time.Clock;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Collection;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.Supplier;
import org.flexagora.eump.model.Acknowledgement;
import org.flexagora.eump.model.AcknowledgementOutcome;
import org.flexagora.eump.model.HeldEvent;
import org.flexagora.eump.model.HeldEventKind;
import org.flexagora.eump.model.HeldServiceOfferState;
import org.flexagora.eump.model.PlatformRole;
import org.flexagora.eump.model.PointsOfDeliveryRequested;
import org.flexagora.eump.model.ServiceOfferCanceled;
import org.flexagora.eump.model.ServiceOfferChanged;
import org.flexagora.eump.model.ServiceOfferConfirmed;
import org.flexagora.runtime.Journal;
import org.flexagora.runtime.Json;
import org.flexagora.runtime.Problem;
import org.flexagora.runtime.Secrets;

/**
 * Applies each event of the marketplace once, whether it comes twice, late or out of order.
 *
 * <p>The event, what it changes and what the listener writes to the journal are one transaction.
 * When the listener throws, nothing is recorded, and the marketplace sends the event again.
 */
public final class Inbox {
  static final String EVENTS = "event/";
  static final String SUBSCRIPTIONS = "subscription/";
  private static final Duration AHEAD = Duration.ofMinutes(5);
  private static final String WANTED = "wanted/";
  private static final Set<HeldServiceOfferState> ENDED =
      EnumSet.of(HeldServiceOfferState.CANCELED, HeldServiceOfferState.EXPIRED);

  private final Journal journal;
  private final Secrets secrets;
  private final Clock clock;
  private final Listener listener;

  /** What a platform does about an event, in the transaction that records it. */
  public interface Listener {
    /** A subscription has come into its state: ACTIVE when it is new, or resumed. */
    void changed(Subscription subscription);

    /** Somebody of the company has added points of delivery to ask the provider for. */
    void wanted(UUID subscriptionId, List<String> podIds);
  }

  /** An event as it is stored; told is the state that it brings, null where it brings none. */
  record Event(HeldEvent held, HeldServiceOfferState told, String reason) {}

  public Inbox(Journal journal, Secrets secrets, Clock clock, Listener listener) {
    this.journal = journal;
    this.secrets = secrets;
    this.clock = clock;
    this.listener = listener;
  }

  /** Records a confirmed subscription. */
  public Acknowledgement confirmed(PlatformRole role, ServiceOfferConfirmed body) {
    HeldEvent event = event(body.getEventId(), body.getSubscriptionId(), role,
        body.getOccurredAt(), HeldEventKind.SERVICE_OFFER_CONFIRMED);
    return once(new Event(event, null, null), () -> confirm(role, body));
  }

  /** Records that a subscription is over. */
  public Acknowledgement canceled(PlatformRole role, ServiceOfferCanceled body) {
    HeldEvent event = event(body.getEventId(), body.getSubscriptionId(), role,
        body.getOccurredAt(), HeldEventKind.SERVICE_OFFER_CANCELED);
    var state = HeldServiceOfferState.fromValue(body.getState().getValue());
    return change(new Event(event, state, body.getReason()));
  }

  /** Records that a subscription is suspended. */
  public Acknowledgement suspended(PlatformRole role, ServiceOfferChanged body) {
    HeldEvent event = event(body.getEventId(), body.getSubscriptionId(), role,
        body.getOccurredAt(), HeldEventKind.SERVICE_OFFER_SUSPENDED);
    return change(new Event(event, HeldServiceOfferState.SUSPENDED, body.getReason()));
  }

  /** Records that a subscription is active again. */
  public Acknowledgement resumed(PlatformRole role, ServiceOfferChanged body) {
    HeldEvent event = event(body.getEventId(), body.getSubscriptionId(), role,
        body.getOccurredAt(), HeldEventKind.SERVICE_OFFER_RESUMED);
    return change(new Event(event, HeldServiceOfferState.ACTIVE, body.getReason()));
  }

  /** Records points of delivery to ask the provider for. */
  public Acknowledgement pointsRequested(PlatformRole role, PointsOfDeliveryRequested body) {
    if (role != PlatformRole.REQUESTER) {
      throw Problem.conflict("Only the requester's platform asks for points of delivery.");
    }
    HeldEvent event = event(body.getEventId(), body.getSubscriptionId(), role,
        body.getOccurredAt(), HeldEventKind.POINTS_OF_DELIVERY_REQUESTED);
    return once(new Event(event, null, null), () -> {
      Optional<Subscription> known = find(body.getSubscriptionId());
      known.ifPresent(one -> checkRole(one.role(), role));
      if (known.isPresent() && ENDED.contains(known.get().state())) {
        return AcknowledgementOutcome.SUPERSEDED;
      }
      want(body.getSubscriptionId(), body.getPodIds());
      listener.wanted(body.getSubscriptionId(), body.getPodIds());
      return AcknowledgementOutcome.APPLIED;
    });
  }

  /** Returns the subscriptions that were confirmed here. */
  public Collection<Subscription> subscriptions() {
    return journal.all(SUBSCRIPTIONS, Subscription.class).values();
  }

  /** Returns the key that we present to the provider of a subscription. */
  public String keyOf(Subscription subscription) {
    return secrets.decrypt(subscription.key());
  }

  /** Remembers points of delivery that the provider is to be asked for. */
  public void want(UUID subscriptionId, Collection<String> podIds) {
    journal.transaction(() -> {
      podIds.forEach(pod -> {
        String key = WANTED + subscriptionId + "/" + pod;
        if (journal.get(key, Boolean.class).isEmpty()) {
          journal.put(key, true);
        }
      });
      return null;
    });
  }

  /** Returns the points of delivery that the provider is still to be asked for. */
  public List<String> wanted(UUID subscriptionId) {
    return journal.all(WANTED + subscriptionId + "/", Boolean.class).entrySet().stream()
        .filter(each -> each.getValue()).map(each -> each.getKey()).toList();
  }

  /** Returns whether a point of delivery is, or was, wanted. */
  public boolean knows(UUID subscriptionId, String podId) {
    return journal.get(WANTED + subscriptionId + "/" + podId, Boolean.class).isPresent();
  }

  /** Notes that the provider has taken points of delivery. */
  public void asked(UUID subscriptionId, Collection<String> podIds) {
    journal.transaction(() -> {
      podIds.forEach(pod -> journal.put(WANTED + subscriptionId + "/" + pod, false));
      return null;
    });
  }

  private Acknowledgement change(Event event) {
    return once(event, () -> {
      Subscription before = find(event.held().getSubscriptionId()).orElse(null);
      if (before == null) {
        return AcknowledgementOutcome.APPLIED; // the confirmation is to come, and will find this
      }
      checkRole(before.role(), event.held().getPlatformRole());
      boolean older = event.held().getOccurredAt().isBefore(before.since());
      if (ENDED.contains(before.state()) || (older && !ENDED.contains(event.told()))) {
        return AcknowledgementOutcome.SUPERSEDED;
      }
      Subscription after = told(before, event);
      journal.put(SUBSCRIPTIONS + after.id(), after);
      if (after.state() != before.state()) {
        listener.changed(after);
      }
      return AcknowledgementOutcome.APPLIED;
    });
  }

  private AcknowledgementOutcome confirm(PlatformRole role, ServiceOfferConfirmed body) {
    Optional<Subscription> known = find(body.getSubscriptionId());
    if (known.isPresent()) {
      checkRole(known.get().role(), role);
      return AcknowledgementOutcome.SUPERSEDED;
    }
    String key = body.getB2b().getApiKey();
    String stored = role == PlatformRole.REQUESTER ? secrets.encrypt(key) : Secrets.hash(key);
    ServiceOfferConfirmed details = Json.as(ServiceOfferConfirmed.class, Json.tree(body));
    details.getB2b().setApiKey(null);
    Subscription fresh = new Subscription(role, HeldServiceOfferState.ACTIVE,
        body.getOccurredAt(), null, details, stored);
    Subscription added = newest(fresh.id()).map(event -> told(fresh, event)).orElse(fresh);
    journal.put(SUBSCRIPTIONS + added.id(), added);
    if (ENDED.contains(added.state())) {
      return AcknowledgementOutcome.SUPERSEDED;
    }
    listener.changed(added);
    return AcknowledgementOutcome.APPLIED;
  }

  private Acknowledgement once(Event event, Supplier<AcknowledgementOutcome> apply) {
    HeldEvent held = event.held();
    if (Duration.between(clock.instant(), held.getOccurredAt().toInstant()).compareTo(AHEAD) > 0) {
      throw Problem.conflict(
          "This is to happen in the future: one of our clocks is wrong. Send it again later.");
    }
    return journal.transaction(() -> {
      Optional<Event> known = journal.get(EVENTS + held.getEventId(), Event.class);
      known.ifPresent(one -> checkRole(one.held().getPlatformRole(), held.getPlatformRole()));
      AcknowledgementOutcome outcome = AcknowledgementOutcome.DUPLICATE;
      if (known.isEmpty()) {
        outcome = apply.get();
        held.setOutcome(outcome);
        journal.put(EVENTS + held.getEventId(), event);
      }
      return new Acknowledgement().eventId(held.getEventId()).outcome(outcome);
    });
  }

  /** Returns what was last told of a subscription before its confirmation; an end is final. */
  private Optional<Event> newest(UUID subscriptionId) {
    Comparator<Event> finality = Comparator.comparing(event -> ENDED.contains(event.told()));
    return journal.all(EVENTS, Event.class).values().stream()
        .filter(event -> event.told() != null)
        .filter(event -> event.held().getSubscriptionId().equals(subscriptionId))
        .max(finality.thenComparing(event -> event.held().getOccurredAt().toInstant()));
  }

  private Optional<Subscription> find(UUID subscriptionId) {
    return journal.get(SUBSCRIPTIONS + subscriptionId, Subscription.class);
  }

  private HeldEvent event(
      UUID id, UUID subscriptionId, PlatformRole role, OffsetDateTime at, HeldEventKind kind) {
    return new HeldEvent().eventId(id).kind(kind).platformRole(role).subscriptionId(subscriptionId)
        .occurredAt(at).receivedAt(clock.instant().atOffset(ZoneOffset.UTC));
  }

  private static Subscription told(Subscription subscription, Event event) {
    return subscription.told(event.told(), event.held().getOccurredAt(), event.reason());
  }

  private static void checkRole(PlatformRole known, PlatformRole told) {
    if (known != told) {
      throw Problem.conflict(
          "This platform is the " + known + " of this subscription, not the " + told + ".");
    }
  }
}

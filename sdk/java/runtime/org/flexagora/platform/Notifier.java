package org.flexagora.platform;

import com.fasterxml.jackson.databind.JsonNode;
import java.lang.System.Logger.Level;
import java.time.Clock;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;
import org.flexagora.notifications.ApiException;
import org.flexagora.notifications.client.ServiceApi;
import org.flexagora.notifications.model.ActivationNotification;
import org.flexagora.notifications.model.ConsentNotification;
import org.flexagora.notifications.model.InterimNotification;
import org.flexagora.notifications.model.ServiceStatus;
import org.flexagora.runtime.Journal;
import org.flexagora.runtime.Json;
import org.flexagora.runtime.Secrets;

/**
 * Tells the marketplace of consents, activations and interim statuses, at least once and in order
 * within each subscription.
 *
 * <p>A notification is kept in the journal until the marketplace has acknowledged it, so it
 * survives a crash. What fails is tried again, never before the answer's Retry-After; what was
 * refused for good (400, 405, 410, 413, 414, 415, 422), or has failed for 75 hours, is dead and
 * holds nothing up.
 */
public final class Notifier implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(Notifier.class.getName());
  static final String WAITING = "notification/waiting/";
  static final String DONE = "notification/done/";
  private static final String DEAD = "notification/dead/";
  private static final String INTERIM = "interim/";
  private static final Set<Integer> REFUSALS = Set.of(400, 405, 410, 413, 414, 415, 422);
  private static final Duration SPAN = Duration.ofHours(75);
  private static final Duration FIRST_DELAY = Duration.ofSeconds(2);
  private static final Duration LONGEST_DELAY = Duration.ofMinutes(5);
  private static final Duration LOOK_AGAIN = Duration.ofSeconds(5);

  private final Journal journal;
  private final MarketplaceConnection marketplace;
  private final Settings settings;
  private final Clock clock;
  private final Thread thread = new Thread(this::run, "notifier");
  private boolean stopping;
  private boolean woken;

  /**
   * A notification on its way.
   *
   * @param kind consent, activation or interim
   * @param nextAttemptAt null when it was not tried yet
   * @param reason why it failed last, null when it did not
   * @param endedAt when it was acknowledged or given up, null before
   */
  record Notification(
      String kind, UUID subscriptionId, JsonNode body, int failures, Instant firstAttemptAt,
      Instant nextAttemptAt, String reason, Instant endedAt) {
    private Notification failed(String why, Instant first, Instant next) {
      return new Notification(kind, subscriptionId, body, failures + 1, first, next, why, null);
    }

    Notification ended(String why, Instant at) {
      return new Notification(
          kind, subscriptionId, body, failures, firstAttemptAt, null, why, at);
    }

    Notification again() {
      return new Notification(kind, subscriptionId, body, 0, null, null, null, null);
    }
  }

  public Notifier(
      Journal journal, MarketplaceConnection marketplace, Settings settings, Clock clock) {
    this.journal = journal;
    this.marketplace = marketplace;
    this.settings = settings;
    this.clock = clock;
    thread.setDaemon(true);
  }

  /** Begins to send. */
  public void start() {
    thread.start();
  }

  /** Stops sending; what is not acknowledged goes out after the next start. */
  @Override
  public void close() {
    synchronized (this) {
      stopping = true;
      notifyAll();
    }
    thread.interrupt();
    try {
      thread.join();
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
    }
  }

  /** Tells of a consent. Its event id is set here; so is the moment, unless it has one. */
  public void tell(ConsentNotification told) {
    OffsetDateTime at = told.getOccurredAt() == null ? now() : told.getOccurredAt();
    queue("consent", told.getSubscriptionId(), told.eventId(Secrets.id()).occurredAt(at));
  }

  /** Tells of an activation. Its event id is set here; so is the moment, unless it has one. */
  public void tell(ActivationNotification told) {
    OffsetDateTime at = told.getOccurredAt() == null ? now() : told.getOccurredAt();
    queue("activation", told.getSubscriptionId(), told.eventId(Secrets.id()).occurredAt(at));
  }

  /**
   * Tells how a service is doing, where that is due: at nine tenths of the interval that the terms
   * promise. While one waits for the marketplace, no second one is added.
   */
  public void interimIfDue(Subscription subscription, ServiceStatus status) {
    Instant now = clock.instant();
    String key = INTERIM + subscription.id();
    String promised = subscription.details().getTerms().getInterimStatusInterval();
    Duration interval = Duration.parse(promised);
    journal.transaction(() -> {
      if (journal.get(key, Instant.class).filter(now::isBefore).isEmpty()) {
        journal.put(key, now.plus(interval.multipliedBy(9).dividedBy(10)));
        boolean waits = journal.all(WAITING, Notification.class).values().stream().anyMatch(
            one -> one.kind().equals("interim") && one.subscriptionId().equals(subscription.id()));
        if (!waits) {
          queue("interim", subscription.id(), new InterimNotification().eventId(Secrets.id())
              .occurredAt(now()).subscriptionId(subscription.id()).status(status));
        }
      }
      return null;
    });
  }

  /** Looks for notifications to send now. */
  void wake() {
    synchronized (this) {
      woken = true;
      notifyAll();
    }
  }

  private void queue(String kind, UUID subscriptionId, Object body) {
    JsonNode json = Json.tree(body);
    journal.transaction(() -> {
      journal.put(WAITING + json.get("eventId").asText(),
          new Notification(kind, subscriptionId, json, 0, null, null, null, null));
      journal.afterwards(this::wake);
      return null;
    });
  }

  private void run() {
    while (true) {
      synchronized (this) {
        woken = false;
      }
      try {
        sendDue();
        forgetOld();
      } catch (RuntimeException error) {
        LOG.log(Level.ERROR, "Notifications are not sent for now", error);
      }
      synchronized (this) {
        try {
          if (!woken && !stopping) {
            wait(untilNext().toMillis() + 1);
          }
        } catch (InterruptedException error) {
          stopping = true;
        }
        if (stopping) {
          return;
        }
      }
    }
  }

  private void sendDue() {
    Set<UUID> behind = new HashSet<>(); // subscriptions of which an earlier one still waits
    var waiting = journal.all(WAITING, Notification.class);
    for (Map.Entry<String, Notification> each : waiting.entrySet()) {
      Notification one = each.getValue();
      boolean due = one.nextAttemptAt() == null || !clock.instant().isBefore(one.nextAttemptAt());
      if (!behind.contains(one.subscriptionId()) && (!due || !send(each.getKey(), one))) {
        behind.add(one.subscriptionId());
      }
    }
  }

  /** Sends one; returns whether the next of its subscription may go. */
  private boolean send(String eventId, Notification one) {
    Instant first = one.firstAttemptAt() == null ? clock.instant() : one.firstAttemptAt();
    try {
      post(eventId, one);
      move(eventId, DONE, one.ended(null, clock.instant()));
      return true;
    } catch (ApiException | IllegalArgumentException error) {
      Instant now = clock.instant();
      int status = error instanceof ApiException ? ((ApiException) error).getCode() : 0;
      String why = status == 0 ? error.getMessage() : "The answer was " + status + ".";
      Instant floor = status == 0 ? now : retryAfter((ApiException) error, now);
      if (REFUSALS.contains(status) || now.isAfter(first.plus(SPAN))) {
        LOG.log(Level.WARNING, "The notification {0} is dead: {1}", eventId, why);
        move(eventId, DEAD, one.ended(why, now));
        return true;
      }
      Instant planned = now.plus(delay(one.failures() + 1));
      Instant next = planned.isBefore(floor) ? floor : planned;
      journal.put(WAITING + eventId, one.failed(why, first, next));
      return false;
    }
  }

  private void post(String eventId, Notification one) throws ApiException {
    ServiceApi service = marketplace.service();
    JsonNode body = one.body();
    switch (one.kind()) {
      case "consent" -> service.notifyConsent(Json.as(ConsentNotification.class, body), eventId);
      case "activation" ->
          service.notifyActivation(Json.as(ActivationNotification.class, body), eventId);
      default -> service.notifyInterim(Json.as(InterimNotification.class, body), eventId);
    }
  }

  private void move(String eventId, String where, Notification ended) {
    journal.transaction(() -> {
      journal.remove(WAITING + eventId);
      journal.put(where + eventId, ended);
      return null;
    });
  }

  private void forgetOld() {
    Instant oldest = clock.instant().minus(settings.notificationRetention());
    journal.all(DONE, Notification.class).forEach((eventId, one) -> {
      if (one.endedAt().isBefore(oldest)) {
        journal.remove(DONE + eventId);
      }
    });
  }

  private Duration untilNext() {
    Instant now = clock.instant();
    Duration until = LOOK_AGAIN;
    for (Notification one : journal.all(WAITING, Notification.class).values()) {
      if (one.nextAttemptAt() != null && one.nextAttemptAt().isBefore(now.plus(until))) {
        Duration left = Duration.between(now, one.nextAttemptAt());
        until = left.isNegative() ? Duration.ZERO : left;
      }
    }
    return until;
  }

  private OffsetDateTime now() {
    return clock.instant().atOffset(ZoneOffset.UTC);
  }

  /** Returns how long to wait after some failures: twice as long each time, with some chance. */
  private static Duration delay(int failures) {
    long millis = FIRST_DELAY.toMillis() << Math.min(failures - 1, 20);
    double chance = 1 + ThreadLocalRandom.current().nextDouble(0.2);
    return Duration.ofMillis((long) (Math.min(millis, LONGEST_DELAY.toMillis()) * chance));
  }

  /** Returns the moment that Retry-After names, in seconds or as a date; else now. */
  static Instant retryAfter(ApiException refusal, Instant now) {
    String value = refusal.getResponseHeaders() == null ? ""
        : refusal.getResponseHeaders().firstValue("Retry-After").orElse("").strip();
    if (value.matches("[0-9]{1,9}")) {
      return now.plusSeconds(Long.parseLong(value));
    }
    try {
      return ZonedDateTime.parse(value, DateTimeFormatter.RFC_1123_DATE_TIME).toInstant();
    } catch (DateTimeException error) {
      return now;
    }
  }
}

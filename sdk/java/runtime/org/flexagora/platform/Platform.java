package org.flexagora.platform;

import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.flexagora.eump.model.PlatformRole;
import org.flexagora.eump.server.EuMpHandler;
import org.flexagora.notifications.model.ServiceStatus;
import org.flexagora.runtime.ContractServer;
import org.flexagora.runtime.Journal;
import org.flexagora.runtime.Secrets;
import org.flexagora.runtime.Webhooks;

/**
 * The parts of a market player's platform, put together: its journal, its keys, its inbox, what
 * notifies the marketplace, and its server.
 */
public final class Platform implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(Platform.class.getName());
  private static final Duration KEY_CHECK = Duration.ofMinutes(1);
  private static final Duration INTERIM_CHECK = Duration.ofSeconds(1);

  private final Clock clock = Clock.systemUTC();
  private final ScheduledThreadPoolExecutor jobs = new ScheduledThreadPoolExecutor(4);
  private final Settings settings;
  private final Journal journal;
  private final InboundKeys keys;
  private final MarketplaceConnection marketplace;
  private final Inbox inbox;
  private final Notifier notifier;
  private final Held held;
  private final ContractServer server;

  /** Work that may fail: it is done again when its time comes. */
  public interface Job {
    /** Does it. */
    void run() throws Exception;
  }

  /**
   * Opens the journal that the settings name, with the key that encrypts its secrets beside it.
   *
   * @param listener is told of subscriptions
   */
  public Platform(Settings settings, Inbox.Listener listener) {
    this.settings = settings;
    journal = new Journal(settings.journal());
    Secrets secrets = new Secrets(Path.of(settings.journal() + ".key"));
    keys = new InboundKeys(journal, settings, clock);
    marketplace = new MarketplaceConnection(journal, secrets, settings, clock);
    inbox = new Inbox(journal, secrets, clock, listener);
    notifier = new Notifier(journal, marketplace, settings, clock);
    held = new Held(journal, marketplace, notifier, settings, clock);
    server = new ContractServer(settings.host(), settings.port(), journal, secrets, clock);
  }

  /** Returns the settings. */
  public Settings settings() {
    return settings;
  }

  /** Returns where a platform keeps what it must not forget. */
  public Journal journal() {
    return journal;
  }

  /** Returns the keys that were issued to the marketplace. */
  public InboundKeys keys() {
    return keys;
  }

  /** Returns the connection to the marketplace. */
  public MarketplaceConnection marketplace() {
    return marketplace;
  }

  /** Returns what applies the marketplace's events, and holds the subscriptions. */
  public Inbox inbox() {
    return inbox;
  }

  /** Returns what notifies the marketplace. */
  public Notifier notifier() {
    return notifier;
  }

  /** Returns what this platform holds, for a marketplace that was restored. */
  public Held held() {
    return held;
  }

  /** Returns the server, for contracts besides the EU-MP API. */
  public ContractServer server() {
    return server;
  }

  /** Returns the present moment. */
  public OffsetDateTime now() {
    return clock.instant().atOffset(ZoneOffset.UTC);
  }

  /** Does a job again and again, with a pause between. */
  public void every(Duration pause, Job job) {
    long millis = pause.toMillis();
    jobs.scheduleWithFixedDelay(() -> attempt(job), 0, millis, TimeUnit.MILLISECONDS);
  }

  /** Does a job; returns whether it succeeded. What it throws is logged. */
  public boolean attempt(Job job) {
    try {
      job.run();
      return true;
    } catch (Exception error) {
      if (!jobs.isShutdown()) {
        LOG.log(Level.WARNING, "To be tried again: {0}", error.toString());
      }
      return false;
    }
  }

  /**
   * Serves the EU-MP API, sends notifications and interim statuses, and keeps the key fresh that is
   * presented to the marketplace.
   *
   * @return the port
   */
  public int start(EuMpHandler handler) {
    server.serve(handler, keys::check, new Webhooks(settings.signingSecrets(), clock));
    notifier.start();
    every(KEY_CHECK, marketplace::refreshKeyIfDue);
    every(INTERIM_CHECK, this::reportStatus);
    return server.start();
  }

  /** Stops. What is not sent goes out after the next start. */
  @Override
  public void close() {
    server.close();
    jobs.shutdownNow();
    attempt(() -> jobs.awaitTermination(10, TimeUnit.SECONDS));
    notifier.close();
    journal.close();
  }

  private void reportStatus() {
    for (Subscription each : inbox.subscriptions()) {
      if (each.runsAs(PlatformRole.PROVIDER, now())) {
        notifier.interimIfDue(each, ServiceStatus.OPERATIONAL);
      }
    }
  }
}

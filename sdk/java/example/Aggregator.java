import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.flexagora.eump.model.*;
import org.flexagora.eump.server.EuMpHandler;
import org.flexagora.metering.model.ActivationState;
import org.flexagora.metering.model.PointOfDeliveryStatus;
import org.flexagora.platform.Inbox;
import org.flexagora.platform.MeteringRequester;
import org.flexagora.platform.MeteringRequester.DataRefused;
import org.flexagora.platform.Platform;
import org.flexagora.platform.Settings;
import org.flexagora.platform.Subscription;
import org.flexagora.runtime.Contract;
import org.flexagora.runtime.Json;

/**
 * A platform of an aggregator: once the marketplace tells it that an offer is confirmed, it asks
 * the provider for its points of delivery and keeps the readings that their customers allow, as the
 * CIM documents that the provider gave. Nobody copies an address or a key.
 */
public final class Aggregator implements EuMpHandler, Inbox.Listener {
  private static final System.Logger LOG = System.getLogger("aggregator");
  private static final Duration FETCH_AGAIN_AFTER = Duration.ofMinutes(15);

  private final Platform platform;
  private final List<String> portfolio;
  private final OffsetDateTime historyFrom;
  private final Path documents;

  public Aggregator(Settings settings, Map<String, String> environment) {
    platform = new Platform(settings, this);
    portfolio = List.of(environment.getOrDefault("AGGREGATOR_PODS", "POD-1").split(","));
    historyFrom = OffsetDateTime.parse(
        environment.getOrDefault("AGGREGATOR_HISTORY_FROM", "2010-01-01T00:00:00Z"));
    documents = Path.of(environment.getOrDefault("AGGREGATOR_DOCUMENTS", "documents"));
  }

  public static void main(String[] arguments) {
    try {
      Settings settings = Settings.of(System.getenv());
      Aggregator aggregator = new Aggregator(settings, System.getenv());
      Runtime.getRuntime().addShutdownHook(new Thread(aggregator.platform::close));
      int port = aggregator.platform.start(aggregator);
      aggregator.platform.every(Duration.ofSeconds(2), aggregator::collect);
      System.out.println(settings.name() + " is at http://" + settings.host() + ":" + port);
    } catch (RuntimeException error) {
      System.err.println("The platform cannot start: " + error.getMessage());
      System.exit(1);
    }
  }

  // ---- what the marketplace calls

  @Override
  public Acknowledgement confirmServiceOffer(PlatformRole role, ServiceOfferConfirmed body) {
    return platform.inbox().confirmed(role, body);
  }

  @Override
  public Acknowledgement cancelServiceOffer(PlatformRole role, ServiceOfferCanceled body) {
    return platform.inbox().canceled(role, body);
  }

  @Override
  public Acknowledgement suspendServiceOffer(PlatformRole role, ServiceOfferChanged body) {
    return platform.inbox().suspended(role, body);
  }

  @Override
  public Acknowledgement resumeServiceOffer(PlatformRole role, ServiceOfferChanged body) {
    return platform.inbox().resumed(role, body);
  }

  @Override
  public Acknowledgement receiveRequestedPointsOfDelivery(
      PlatformRole role, PointsOfDeliveryRequested body) {
    return platform.inbox().pointsRequested(role, body);
  }

  @Override
  public IssuedApiKey refreshApiKey() {
    return platform.keys().issue();
  }

  @Override
  public ConnectionTest testConnection() {
    return new ConnectionTest().status(ConnectionStatus.AVAILABLE).contract(contract())
        .contractVersion(Contract.load(contract()).version()).time(platform.now());
  }

  @Override
  public HeldEventPage listHeldEvents(OffsetDateTime since, Integer limit, String cursor) {
    return platform.held().events(since, limit, cursor);
  }

  @Override
  public HeldServiceOfferPage listHeldServiceOffers(Integer limit, String cursor) {
    return platform.held().serviceOffers(limit, cursor);
  }

  @Override
  public NotificationReplay replayNotifications(NotificationReplayOrder body) {
    return platform.held().replay(body);
  }

  // ---- what becomes of it, in the transaction that records the event

  @Override
  public void changed(Subscription subscription) {
    LOG.log(Level.INFO, "{0} is {1}", subscription.id(), subscription.state());
    if (subscription.role() == PlatformRole.REQUESTER) {
      platform.inbox().want(subscription.id(), portfolio);
    }
  }

  @Override
  public void wanted(UUID subscriptionId, List<String> podIds) {
    LOG.log(Level.INFO, "{0}: the company has added {1}", subscriptionId, podIds);
  }

  // ---- what is done every other second

  private void collect() {
    for (Subscription each : platform.inbox().subscriptions()) {
      boolean metering = "metering".equals(each.details().getB2b().getContract());
      if (metering && each.runsAs(PlatformRole.REQUESTER, platform.now())) {
        platform.attempt(() -> collectUnder(each)); // nobody else's readings wait for this one
      }
    }
  }

  private void collectUnder(Subscription subscription) throws Exception {
    MeteringRequester provider = new MeteringRequester(platform, subscription);
    provider.requestWanted();
    for (PointOfDeliveryStatus pod : provider.pointsOfDelivery()) {
      String progress = "fetched/" + subscription.id() + "/" + pod.getPodId();
      try {
        if (pod.getActivation() == ActivationState.ACTIVE) {
          fetch(provider, pod.getPodId(), progress);
        } else if (pod.getActivation() == ActivationState.ENDED) {
          forget(pod.getPodId(), progress);
        }
      } catch (DataRefused refused) {
        forget(pod.getPodId(), progress);
      }
    }
  }

  private void fetch(MeteringRequester provider, String podId, String progress) throws Exception {
    OffsetDateTime end = platform.now();
    OffsetDateTime start =
        platform.journal().get(progress, OffsetDateTime.class).orElse(historyFrom);
    while (start != null && start.plus(FETCH_AGAIN_AFTER).isBefore(end)) {
      MeteringRequester.Page page = provider.page(podId, start, end);
      save(documents.resolve(podId), start, Json.bytes(page.document()));
      platform.journal().put(progress, page.next() == null ? end : page.next());
      start = page.next(); // a restart goes on from here
    }
  }

  private static void save(Path folder, OffsetDateTime start, byte[] document) throws IOException {
    Files.createDirectories(folder);
    Path draft = Files.write(folder.resolve("draft"), document);
    Path name = folder.resolve(start.toInstant().toEpochMilli() + ".json");
    Files.move(draft, name, StandardCopyOption.ATOMIC_MOVE);
  }

  /** Deletes the readings of a customer who no longer allows us to have them. */
  private void forget(String podId, String progress) throws IOException {
    Path folder = documents.resolve(podId);
    if (Files.exists(folder)) {
      try (var files = Files.list(folder)) {
        for (Path file : files.toList()) {
          Files.delete(file);
        }
      }
      Files.delete(folder);
      LOG.log(Level.WARNING, "The readings of {0} are deleted", podId);
    }
    if (platform.journal().get(progress, OffsetDateTime.class).isPresent()) {
      platform.journal().remove(progress);
    }
  }
}

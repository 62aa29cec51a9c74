import java.time.Duration;
import java.util.List;
import java.util.UUID;
import org.flexagora.notifications.model.ActivationNotification;
import org.flexagora.notifications.model.ActivationState;
import org.flexagora.notifications.model.ConsentNotification;
import org.flexagora.notifications.model.ConsentState;
import org.flexagora.platform.Inbox;
import org.flexagora.platform.Platform;
import org.flexagora.platform.Settings;
import org.flexagora.platform.Subscription;

/** A provider's platform that tells of a consent and an activation of each point of delivery. */
public final class Telling implements Inbox.Listener {
  private Telling() {}

  /** Takes the id of a subscription and the points of delivery; tells, and sends until it is ended. */
  public static void main(String[] arguments) throws Exception {
    UUID subscription = UUID.fromString(arguments[0]);
    Platform platform = new Platform(Settings.of(System.getenv()), new Telling());
    Runtime.getRuntime().addShutdownHook(new Thread(platform::close));
    for (String pod : List.of(arguments).subList(1, arguments.length)) {
      platform.journal().transaction(() -> {
        platform.notifier().tell(new ConsentNotification().subscriptionId(subscription)
            .podId(pod).state(ConsentState.GRANTED));
        platform.notifier().tell(new ActivationNotification().subscriptionId(subscription)
            .podId(pod).state(ActivationState.ACTIVE));
        return null;
      });
    }
    platform.notifier().start();
    platform.every(Duration.ofSeconds(1), platform.marketplace()::refreshKeyIfDue);
    Thread.sleep(Long.MAX_VALUE);
  }

  @Override
  public void changed(Subscription subscription) {
  }

  @Override
  public void wanted(UUID subscriptionId, List<String> podIds) {
  }
}

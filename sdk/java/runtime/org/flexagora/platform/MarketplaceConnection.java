package org.flexagora.platform;

import java.time.Clock;
import java.time.Instant;
import java.util.Optional;
import org.flexagora.notifications.ApiClient;
import org.flexagora.notifications.ApiException;
import org.flexagora.notifications.client.ConnectionApi;
import org.flexagora.notifications.client.ServiceApi;
import org.flexagora.notifications.model.IssuedApiKey;
import org.flexagora.runtime.Journal;
import org.flexagora.runtime.Secrets;

/** The connection to the marketplace, with the key that is presented to it, stored encrypted. */
public final class MarketplaceConnection {
  private static final String NAME = "outbound-key";

  private final Journal journal;
  private final Secrets secrets;
  private final Settings settings;
  private final Clock clock;
  private final ApiClient client;

  /** The key as it is stored. refreshId is the Idempotency-Key of a refresh that has begun. */
  record Key(String encrypted, String configuredHash, Instant validUntil, String refreshId) {}

  /** Takes the configured key when there is none yet, or when another one was configured. */
  public MarketplaceConnection(Journal journal, Secrets secrets, Settings settings, Clock clock) {
    this.journal = journal;
    this.secrets = secrets;
    this.settings = settings;
    this.clock = clock;
    this.client = new ApiClient(settings.marketplaceUrl() + "/notifications/v1")
        .setApiKey(() -> present().orElseThrow());
    String configured = settings.apiKey();
    String hash = configured == null ? null : Secrets.hash(configured);
    if (configured != null && key().filter(key -> hash.equals(key.configuredHash())).isEmpty()) {
      journal.put(NAME, new Key(secrets.encrypt(configured), hash, null, null));
    }
  }

  /** Returns the key to present, empty where there is none yet. */
  public Optional<String> present() {
    return key().map(key -> secrets.decrypt(key.encrypted()));
  }

  /**
   * Returns what notifies the marketplace.
   *
   * @throws IllegalArgumentException when its address may not be called
   */
  public ServiceApi service() {
    settings.callable(settings.marketplaceUrl());
    return new ServiceApi(client);
  }

  /**
   * Replaces the key where it is due: the first one at once, since it passed through people's
   * hands.
   *
   * <p>What is asked is stored before it is asked, so that a lost answer is asked for again and
   * gets the same new key.
   *
   * @throws ApiException when the marketplace does not answer, or refuses
   */
  public void refreshKeyIfDue() throws ApiException {
    Key key = key().orElse(null);
    if (key == null || !isDue(key)) {
      return;
    }
    settings.callable(settings.marketplaceUrl());
    String id = key.refreshId() == null ? Secrets.id().toString() : key.refreshId();
    Key asking = new Key(key.encrypted(), key.configuredHash(), key.validUntil(), id);
    journal.put(NAME, asking);
    try {
      IssuedApiKey issued = new ConnectionApi(client).refreshApiKey(id);
      journal.put(NAME, new Key(secrets.encrypt(issued.getApiKey()), key.configuredHash(),
          issued.getValidUntil().toInstant(), null));
    } catch (ApiException error) {
      if (error.getCode() == 422) { // the id was used for something else: ask by another one
        journal.put(NAME, key);
      }
      throw error;
    }
  }

  private boolean isDue(Key key) {
    return key.refreshId() != null || key.validUntil() == null
        || !clock.instant().isBefore(key.validUntil().minus(settings.keyRefreshBefore()));
  }

  private Optional<Key> key() {
    return journal.get(NAME, Key.class);
  }
}

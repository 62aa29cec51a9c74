package org.flexagora.platform;

import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Map;
import java.util.SortedMap;
import org.flexagora.eump.model.IssuedApiKey;
import org.flexagora.runtime.Journal;
import org.flexagora.runtime.Problem;
import org.flexagora.runtime.Secrets;

/**
 * The keys that were issued to the marketplace, stored hashed.
 *
 * <p>A new key does not end the one before at once: that stays valid until its overlap ends, or
 * until a moment after the new one was first used, whichever is first.
 */
public final class InboundKeys {
  private static final String PREFIX = "inbound-key/";

  private final Journal journal;
  private final Settings settings;
  private final Clock clock;

  /** A key as it is stored, by an id that later keys exceed. */
  record Key(String hash, Instant validUntil, Instant overlapEndsAt, Instant firstUsedAt) {}

  /** Takes the configured key as the first one, unless there are keys already. */
  public InboundKeys(Journal journal, Settings settings, Clock clock) {
    this.journal = journal;
    this.settings = settings;
    this.clock = clock;
    journal.transaction(() -> {
      if (settings.inboundApiKey() != null && keys().isEmpty()) {
        add(settings.inboundApiKey(), clock.instant());
      }
      return null;
    });
  }

  /** Returns a new key. */
  public IssuedApiKey issue() {
    Instant now = clock.instant();
    String key = Secrets.fresh("fxk");
    Key added = journal.transaction(() -> add(key, now));
    return new IssuedApiKey().apiKey(key).validFrom(now.atOffset(ZoneOffset.UTC))
        .validUntil(added.validUntil().atOffset(ZoneOffset.UTC))
        .previousKeyValidUntil(added.overlapEndsAt().atOffset(ZoneOffset.UTC));
  }

  /**
   * Returns where a key is valid now.
   *
   * @throws Problem 401 otherwise
   */
  public void check(String presented) {
    Instant now = clock.instant();
    String hash = Secrets.hash(presented); // comparing hashes of random keys tells nothing of them
    SortedMap<String, Key> keys = keys();
    String id = keys.entrySet().stream().filter(each -> each.getValue().hash().equals(hash))
        .map(Map.Entry::getKey).findFirst()
        .orElseThrow(() -> Problem.unauthenticated("The API key is unknown."));
    Key key = keys.get(id);
    if (!now.isBefore(key.validUntil())) {
      throw Problem.unauthenticated("The API key has expired.");
    }
    for (Key later : keys.tailMap(id + "\0").values()) {
      Instant used = later.firstUsedAt();
      boolean replaced = used != null && !now.isBefore(used.plus(settings.keyGrace()));
      if (replaced || !now.isBefore(later.overlapEndsAt())) {
        throw Problem.unauthenticated("The API key was replaced by a newer one.");
      }
    }
    if (key.firstUsedAt() == null) {
      noteFirstUse(id, key, now);
    }
  }

  private void noteFirstUse(String id, Key key, Instant now) {
    journal.transaction(() -> {
      journal.put(PREFIX + id, new Key(key.hash(), key.validUntil(), key.overlapEndsAt(), now));
      keys().forEach((each, value) -> {
        if (value.validUntil().isBefore(now)) {
          journal.remove(PREFIX + each);
        }
      });
      return null;
    });
  }

  private Key add(String key, Instant now) {
    Key added = new Key(Secrets.hash(key), now.plus(settings.keyValidity()),
        now.plus(settings.keyOverlap()), null);
    journal.put(PREFIX + Secrets.id(), added);
    return added;
  }

  private SortedMap<String, Key> keys() {
    return journal.all(PREFIX, Key.class);
  }
}

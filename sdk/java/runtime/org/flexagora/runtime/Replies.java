package org.flexagora.runtime;

import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;

/** The answers to calls with an Idempotency-Key, given again to whoever asks the same again. */
final class Replies {
  private static final String PREFIX = "reply/";
  private static final Duration KEPT = Duration.ofDays(7);

  private final Journal journal;
  private final Secrets secrets;
  private final Clock clock;

  /** An answer that was given, encrypted since it may hold a key that is shown once. */
  record Kept(String fingerprint, String answer, Instant at) {}

  Replies(Journal journal, Secrets secrets, Clock clock) {
    this.journal = journal;
    this.secrets = secrets;
    this.clock = clock;
  }

  /**
   * Returns the answer that the key was given before; else makes it, and keeps it together with
   * what the work writes.
   *
   * @throws Problem 422 when the key belongs to another request
   */
  String once(String operation, String key, String fingerprint, Supplier<String> work) {
    return journal.transaction(() -> {
      String name = PREFIX + operation + "/" + Secrets.hash(key);
      Optional<Kept> kept = journal.get(name, Kept.class);
      if (kept.isPresent()) {
        if (!kept.get().fingerprint().equals(fingerprint)) {
          throw Problem.of(422, "This Idempotency-Key belongs to a different request",
              "Use a new Idempotency-Key for a new request.");
        }
        return secrets.decrypt(kept.get().answer());
      }
      forgetOld();
      String answer = work.get();
      journal.put(name, new Kept(fingerprint, secrets.encrypt(answer), clock.instant()));
      return answer;
    });
  }

  private void forgetOld() {
    Instant oldest = clock.instant().minus(KEPT);
    for (Map.Entry<String, Kept> each : journal.all(PREFIX, Kept.class).entrySet()) {
      if (each.getValue().at().isBefore(oldest)) {
        journal.remove(PREFIX + each.getKey());
      }
    }
  }
}

package org.flexagora.runtime;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** Checks the signatures of events, after Standard Webhooks (https://www.standardwebhooks.com). */
public final class Webhooks {
  /** How far the moment of signing may lie from our clock, either way. */
  public static final Duration TOLERANCE = Duration.ofMinutes(5);

  private final List<SecretKeySpec> keys;
  private final Clock clock;

  /**
   * Checks with some secrets, of which any may have signed.
   *
   * @param secrets each {@code whsec_} and base64; more than one while a secret is being replaced
   * @throws IllegalArgumentException for what is no such secret
   */
  public Webhooks(List<String> secrets, Clock clock) {
    this.keys = secrets.stream().map(Webhooks::keyOf).toList();
    this.clock = clock;
  }

  /**
   * Returns where a body was signed by one of the secrets, not long ago.
   *
   * @param id,timestamp,signatures the three headers, null where one is missing
   * @throws Problem 401 otherwise
   */
  public void verify(String id, String timestamp, String signatures, byte[] body) {
    if (id == null || id.isEmpty() || timestamp == null || signatures == null) {
      throw Problem.unauthenticated("The request is not signed: a webhook header is missing.");
    }
    if (!timestamp.matches("[0-9]{1,11}")) {
      throw Problem.unauthenticated("The moment of signing is malformed.");
    }
    Instant signed = Instant.ofEpochSecond(Long.parseLong(timestamp));
    if (Duration.between(signed, clock.instant()).abs().compareTo(TOLERANCE) > 0) {
      throw Problem.unauthenticated("The request was signed too long ago, or in the future.");
    }
    byte[] head = (id + "." + timestamp + ".").getBytes(StandardCharsets.UTF_8);
    boolean right = false;
    for (SecretKeySpec key : keys) {
      String signature = "v1," + Base64.getEncoder().encodeToString(sign(key, head, body));
      byte[] expected = signature.getBytes(StandardCharsets.UTF_8);
      for (String presented : signatures.split(" ")) { // all, so that the time taken tells nothing
        right |= MessageDigest.isEqual(expected, presented.getBytes(StandardCharsets.UTF_8));
      }
    }
    if (!right) {
      throw Problem.unauthenticated("The request's signature is not right.");
    }
  }

  private static byte[] sign(SecretKeySpec key, byte[] head, byte[] body) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(key);
      mac.update(head);
      return mac.doFinal(body);
    } catch (GeneralSecurityException error) {
      throw new IllegalStateException(error); // every Java has HmacSHA256
    }
  }

  private static SecretKeySpec keyOf(String secret) {
    if (!secret.startsWith("whsec_")) {
      throw new IllegalArgumentException("A signing secret begins with whsec_.");
    }
    byte[] key = Base64.getDecoder().decode(secret.substring("whsec_".length()));
    return new SecretKeySpec(key, "HmacSHA256");
  }
}

package org.flexagora.runtime;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Set;
import java.util.UUID;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * Secrets: made at random, stored hashed by who checks them and encrypted by who presents them.
 *
 * <p>What is encrypted (AES-256, GCM) can be read with the key that lies in a file of its own,
 * readable by its owner alone. Keep it apart from the backups of the journal.
 */
public final class Secrets {
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final int NONCE_BYTES = 12;
  private static final int TAG_BITS = 128;

  private static final int COUNTER_BITS = 12;
  private static long lastId;

  private final SecretKeySpec key;

  /** Encrypts with the key in a file, which is made where there is none. */
  public Secrets(Path keyFile) {
    try {
      if (Files.notExists(keyFile)) {
        Set<StandardOpenOption> fresh =
            Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        try (FileChannel channel = FileChannel.open(keyFile, fresh, Journal.ownerOnly())) {
          channel.write(ByteBuffer.wrap(Base64.getEncoder().encode(random(32))));
          channel.force(true);
        }
      }
      key = new SecretKeySpec(
          Base64.getDecoder().decode(Files.readString(keyFile).strip()), "AES");
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** Returns a fresh secret of 256 random bits, with a prefix that says what it is for. */
  public static String fresh(String prefix) {
    return prefix + "_" + Base64.getUrlEncoder().withoutPadding().encodeToString(random(32));
  }

  /** Returns what is stored of a random secret to check it by: SHA-256, in hex. */
  public static String hash(String secret) {
    try {
      byte[] text = secret.getBytes(StandardCharsets.UTF_8);
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(text));
    } catch (GeneralSecurityException error) {
      throw new IllegalStateException(error); // every Java has SHA-256
    }
  }

  /** Returns a fresh id, a UUIDv7: one that is made later in this process is greater. */
  public static synchronized UUID id() {
    lastId = Math.max(System.currentTimeMillis() << COUNTER_BITS, lastId + 1);
    long millis = lastId >> COUNTER_BITS;
    long counter = lastId & (1 << COUNTER_BITS) - 1;
    long low = RANDOM.nextLong() & 0x3fff_ffff_ffff_ffffL | 0x8000_0000_0000_0000L;
    return new UUID(millis << 16 | 0x7000 | counter, low);
  }

  /** Returns a text encrypted and authenticated. */
  public String encrypt(String plain) {
    byte[] nonce = random(NONCE_BYTES);
    byte[] sealed = run(Cipher.ENCRYPT_MODE, nonce, plain.getBytes(StandardCharsets.UTF_8));
    byte[] all = ByteBuffer.allocate(nonce.length + sealed.length).put(nonce).put(sealed).array();
    return Base64.getEncoder().encodeToString(all);
  }

  /**
   * Returns the text that was encrypted.
   *
   * @throws IllegalStateException when it was encrypted with another key
   */
  public String decrypt(String encrypted) {
    byte[] all = Base64.getDecoder().decode(encrypted);
    byte[] nonce = Arrays.copyOf(all, NONCE_BYTES);
    byte[] sealed = Arrays.copyOfRange(all, NONCE_BYTES, all.length);
    return new String(run(Cipher.DECRYPT_MODE, nonce, sealed), StandardCharsets.UTF_8);
  }

  private byte[] run(int mode, byte[] nonce, byte[] input) {
    try {
      Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
      cipher.init(mode, key, new GCMParameterSpec(TAG_BITS, nonce));
      return cipher.doFinal(input);
    } catch (GeneralSecurityException error) {
      throw new IllegalStateException("A stored secret cannot be read with this key.", error);
    }
  }

  private static byte[] random(int bytes) {
    byte[] made = new byte[bytes];
    RANDOM.nextBytes(made);
    return made;
  }
}

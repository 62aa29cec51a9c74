package org.flexagora.platform;

import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * The settings of a platform, named as those of the Python SDK.
 *
 * @param port where the platform listens; 0 for a free port
 * @param journal the file of its state
 * @param marketplaceUrl the marketplace's base URL
 * @param apiKey the first key to present to the marketplace, null where none was given
 * @param inboundApiKey the first key that the marketplace presents here, null where none was given
 * @param signingSecrets the secrets of the marketplace's signatures
 * @param allowPrivateAddresses whether calls may go to private and loopback addresses
 * @param allowHttp whether calls may go without TLS
 */
public record Settings(
    String name, String host, int port, Path journal, String marketplaceUrl, String apiKey,
    String inboundApiKey, List<String> signingSecrets, boolean allowPrivateAddresses,
    boolean allowHttp, Duration keyValidity, Duration keyOverlap, Duration keyGrace,
    Duration keyRefreshBefore, Duration notificationRetention) {

  /**
   * Returns the settings that the environment names, such as {@code MPP_API_KEY}.
   *
   * @throws IllegalArgumentException when one is not good, and names it
   */
  public static Settings of(Map<String, String> environment) {
    Reader reader = new Reader(environment);
    Settings settings = new Settings(
        reader.text("MPP_NAME", "platform"),
        reader.text("MPP_HOST", "127.0.0.1"),
        Integer.parseInt(reader.text("MPP_PORT", "8100")),
        Path.of(reader.text("MPP_JOURNAL", "platform.journal")),
        reader.text("MPP_MARKETPLACE_URL", "http://127.0.0.1:8000").replaceAll("/+$", ""),
        reader.text("MPP_API_KEY", null),
        reader.text("MPP_INBOUND_API_KEY", null),
        Stream.of(reader.text("MPP_SIGNING_SECRETS", "").split(",")).map(String::strip)
            .filter(secret -> !secret.isEmpty()).toList(),
        Boolean.parseBoolean(reader.text("MPP_ALLOW_PRIVATE_ADDRESSES", "false")),
        Boolean.parseBoolean(reader.text("MPP_ALLOW_HTTP", "false")),
        reader.duration("MPP_KEY_VALIDITY", "P90D"),
        reader.duration("MPP_KEY_OVERLAP", "P1D"),
        reader.duration("MPP_KEY_GRACE", "PT1M"),
        reader.duration("MPP_KEY_REFRESH_BEFORE", "P7D"),
        reader.duration("MPP_NOTIFICATION_RETENTION", "P30D"));
    if (settings.signingSecrets().isEmpty()) {
      throw new IllegalArgumentException(
          "Set MPP_SIGNING_SECRETS: without it, anybody who has the key could forge an event.");
    }
    return settings;
  }

  /**
   * Returns a URL that may be called.
   *
   * @throws IllegalArgumentException for one without TLS, or at an address that is not public,
   *     unless the settings allow it
   */
  public String callable(String url) {
    URI uri = URI.create(url);
    if (!"https".equals(uri.getScheme()) && !(allowHttp && "http".equals(uri.getScheme()))) {
      throw new IllegalArgumentException(url + " must begin with https://.");
    }
    try {
      for (InetAddress address : InetAddress.getAllByName(uri.getHost())) {
        if (!allowPrivateAddresses && !isPublic(address)) {
          throw new IllegalArgumentException(url + " is not at a public address.");
        }
      }
    } catch (UnknownHostException error) {
      throw new IllegalArgumentException(url + " has no address.", error);
    }
    return url;
  }

  private static boolean isPublic(InetAddress address) {
    byte[] bytes = address.getAddress();
    boolean shared = bytes.length == 4 && bytes[0] == 100 && (bytes[1] & 0xc0) == 64; // RFC 6598
    boolean reserved = bytes.length == 4 && (bytes[0] == 0 || (bytes[0] & 0xf0) == 0xf0);
    boolean uniqueLocal = bytes.length == 16 && (bytes[0] & 0xfe) == 0xfc; // RFC 4193
    boolean translated = bytes.length == 16 && bytes[0] == 0 && bytes[1] == 0x64; // RFC 6052
    return !(address.isAnyLocalAddress() || address.isLoopbackAddress()
        || address.isLinkLocalAddress() || address.isSiteLocalAddress()
        || address.isMulticastAddress() || shared || reserved || uniqueLocal || translated);
  }

  private record Reader(Map<String, String> environment) {
    private String text(String name, String otherwise) {
      String value = environment.get(name);
      return value == null || value.isBlank() ? otherwise : value.strip();
    }

    private Duration duration(String name, String otherwise) {
      try {
        return Duration.parse(text(name, otherwise));
      } catch (java.time.format.DateTimeParseException error) {
        throw new IllegalArgumentException(name + " is no ISO 8601 duration.", error);
      }
    }
  }
}

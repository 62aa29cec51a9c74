package org.flexagora.platform;

import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.flexagora.metering.ApiClient;
import org.flexagora.metering.ApiException;
import org.flexagora.metering.client.DataApi;
import org.flexagora.metering.client.PointsOfDeliveryApi;
import org.flexagora.metering.model.PointOfDeliveryStatus;
import org.flexagora.metering.model.PointsOfDeliveryRequest;
import org.flexagora.metering.model.ValidatedMeasureDataDocument;

/**
 * Asks a provider for points of delivery and their readings, under one subscription.
 *
 * <p>Address and key are those of the confirmed offer. A provider may hear of the subscription a
 * moment later than we do, and refuses until then with 401: ask again.
 */
public final class MeteringRequester {
  private static final Pattern NEXT = Pattern.compile("<([^>]*)>;\\s*rel=\"next\"");
  private static final Pattern START = Pattern.compile("(?:^|&)start=([^&]*)");
  private static final int PODS_AT_ONCE = 500;
  private static final int PODS_PER_PAGE = 200;

  private final Inbox inbox;
  private final UUID id;
  private final PointsOfDeliveryApi points;
  private final DataApi data;

  /** The provider does not, or no longer, give the readings of a point of delivery. */
  public static final class DataRefused extends Exception {
    private static final long serialVersionUID = 1;

    private DataRefused(ApiException refusal) {
      super(refusal.getResponseBody());
    }
  }

  /**
   * A page of readings.
   *
   * @param document a CIM market document
   * @param next where the next page begins, null on the last one
   */
  public record Page(ValidatedMeasureDataDocument document, OffsetDateTime next) {}

  /**
   * Sets the client up.
   *
   * @throws IllegalArgumentException when the provider's address may not be called
   */
  public MeteringRequester(Platform platform, Subscription subscription) {
    inbox = platform.inbox();
    id = subscription.id();
    String baseUrl = subscription.details().getB2b().getBaseUrl().toString();
    String key = inbox.keyOf(subscription);
    ApiClient client = new ApiClient(
        platform.settings().callable(baseUrl).replaceAll("/+$", "") + "/metering/v1")
        .setApiKey(() -> key);
    points = new PointsOfDeliveryApi(client);
    data = new DataApi(client);
  }

  /** Asks for what the inbox remembers as wanted. To ask twice is harmless. */
  public void requestWanted() throws ApiException {
    List<String> wanted = inbox.wanted(id);
    for (int start = 0; start < wanted.size(); start += PODS_AT_ONCE) {
      List<String> some = wanted.subList(start, Math.min(start + PODS_AT_ONCE, wanted.size()));
      points.requestPointsOfDelivery(id, new PointsOfDeliveryRequest().podIds(some), null);
      inbox.asked(id, some);
    }
  }

  /** Returns how far each point of delivery has come; only those that we asked for. */
  public List<PointOfDeliveryStatus> pointsOfDelivery() throws ApiException {
    List<PointOfDeliveryStatus> all = new ArrayList<>();
    String cursor = null;
    do {
      var page = points.listPointsOfDelivery(id, PODS_PER_PAGE, cursor, null);
      page.getItems().stream().filter(pod -> inbox.knows(id, pod.getPodId())).forEach(all::add);
      cursor = page.getNextCursor();
    } while (cursor != null);
    return all;
  }

  /**
   * Returns the first page of the readings in a period, its start included and its end not.
   *
   * @throws DataRefused when the customer does not consent, or the subscription does not run
   */
  public Page page(String podId, OffsetDateTime start, OffsetDateTime end)
      throws ApiException, DataRefused {
    try {
      var answer = data.readValidatedMeasureDataWithHttpInfo(id, podId, start, end, null);
      List<String> links = answer.getHeaders().getOrDefault("link", List.of());
      return new Page(answer.getData(), next(String.join(",", links), start, end));
    } catch (ApiException error) {
      if (error.getCode() == 403) {
        throw new DataRefused(error);
      }
      throw error;
    }
  }

  /** Returns the start that a link names; its address is not called. */
  private static OffsetDateTime next(String links, OffsetDateTime start, OffsetDateTime end)
      throws ApiException {
    Matcher link = NEXT.matcher(links);
    if (!link.find()) {
      return null;
    }
    Matcher named = START.matcher(String.valueOf(URI.create(link.group(1)).getRawQuery()));
    try {
      OffsetDateTime next = OffsetDateTime.parse(named.find()
          ? URLDecoder.decode(named.group(1), StandardCharsets.UTF_8) : "");
      if (next.isAfter(start) && next.isBefore(end)) {
        return next;
      }
    } catch (DateTimeException error) {
      // said below
    }
    throw new ApiException("The link to the next page does not lead on: " + links);
  }
}

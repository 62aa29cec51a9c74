package org.flexagora.platform;

import java.time.OffsetDateTime;
import java.util.UUID;
import org.flexagora.eump.model.HeldServiceOfferState;
import org.flexagora.eump.model.PlatformRole;
import org.flexagora.eump.model.ServiceOfferConfirmed;

/**
 * A subscription as this platform holds it.
 *
 * @param role the role in which this platform takes part
 * @param since when the event occurred that brought it into its state
 * @param reason why, null when nobody said
 * @param details what was confirmed, without the key of the data exchange
 * @param key that key: encrypted where we present it, as the requester; else hashed
 */
public record Subscription(
    PlatformRole role, HeldServiceOfferState state, OffsetDateTime since, String reason,
    ServiceOfferConfirmed details, String key) {

  /** Returns its id. */
  public UUID id() {
    return details.getSubscriptionId();
  }

  /** Returns whether data may flow under it now, in this role. */
  public boolean runsAs(PlatformRole expected, OffsetDateTime now) {
    var validity = details.getTerms().getValidity();
    return role == expected && state == HeldServiceOfferState.ACTIVE
        && !now.isBefore(validity.getStart())
        && (validity.getEnd() == null || now.isBefore(validity.getEnd()));
  }

  /** Returns the same in another state. */
  Subscription told(HeldServiceOfferState state, OffsetDateTime since, String reason) {
    return new Subscription(role, state, since, reason, details, key);
  }
}

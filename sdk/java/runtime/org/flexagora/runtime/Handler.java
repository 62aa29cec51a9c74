package org.flexagora.runtime;

/** Answers the operations of a contract. Generated interfaces ({@code EuMpHandler}) extend it. */
public interface Handler {
  /** Returns the name of the contract, such as {@code eu-mp}. */
  String contract();

  /**
   * Returns the answer to an operation: an object of the contract's models, or null for none.
   *
   * @param operationId the operation, as the contract names it
   * @param arguments what was sent, checked against the contract
   * @throws Problem what the operation refuses
   */
  Object answer(String operationId, Arguments arguments) throws Exception;
}

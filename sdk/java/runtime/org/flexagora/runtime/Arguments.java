package org.flexagora.runtime;

import com.fasterxml.jackson.core.type.TypeReference;

/** What a caller has sent, checked against the contract. */
public interface Arguments {
  /** Returns a parameter of the path or the query; null when it was not sent. */
  <T> T get(String name, TypeReference<T> type);

  /** Returns the body; null when there was none. */
  <T> T body(TypeReference<T> type);
}

package org.flexagora.runtime;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;

/** A refusal, answered as a problem document (RFC 9457). */
public final class Problem extends RuntimeException {
  private static final long serialVersionUID = 1;
  private static final int MOST_ERRORS = 200;

  /**
   * A field that breaks a rule.
   *
   * @param pointer a JSON pointer into the body, or the name of a parameter or header
   * @param rule the name of the rule
   * @param detail the rule in words
   */
  public record Field(String pointer, String rule, String detail) {}

  private final int status;
  private final String title;
  private final transient List<Field> errors;
  private final transient Map<String, String> headers;

  private Problem(
      int status, String title, String detail, List<Field> errors, Map<String, String> headers) {
    super(detail, null, false, false);
    this.status = status;
    this.title = title;
    this.errors = errors;
    this.headers = headers;
  }

  /** Returns a problem of a status. */
  public static Problem of(int status, String title, String detail) {
    return new Problem(status, title, detail, List.of(), Map.of());
  }

  /** 400: the request breaks rules of the contract. */
  public static Problem invalid(List<Field> errors) {
    String detail = errors.size() == 1
        ? errors.get(0).detail() : errors.size() + " rules of the contract are broken.";
    return new Problem(400, "The request is not valid", detail, errors, Map.of());
  }

  /** 400: a field of the request breaks a rule. */
  public static Problem invalid(String pointer, String rule, String detail) {
    return invalid(List.of(new Field(pointer, rule, detail)));
  }

  /** 401: there is no credential or signature, or none that is good. */
  public static Problem unauthenticated(String detail) {
    return of(401, "Authentication is required", detail)
        .with("WWW-Authenticate", "ApiKey realm=\"flexagora\"");
  }

  /** 409: the present state does not allow it. */
  public static Problem conflict(String detail) {
    return of(409, "The present state does not allow this", detail);
  }

  /** Returns the same with a header. */
  public Problem with(String name, String value) {
    return new Problem(status, title, getMessage(), errors, Map.of(name, value));
  }

  /** Returns the HTTP status. */
  public int status() {
    return status;
  }

  /** Returns the headers that the answer has besides the usual ones. */
  public Map<String, String> headers() {
    return headers;
  }

  /** Returns the document for a call of a path. */
  ObjectNode document(String instance, String correlationId) {
    ObjectNode document = Json.object().put("type", "about:blank").put("title", title)
        .put("status", status).put("detail", getMessage()).put("instance", instance)
        .put("correlationId", correlationId);
    if (!errors.isEmpty()) {
      document.set("errors", Json.tree(errors.subList(0, Math.min(errors.size(), MOST_ERRORS))));
    }
    return document;
  }
}

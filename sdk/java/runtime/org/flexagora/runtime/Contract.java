package org.flexagora.runtime;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A contract as it is served: its operations, and what it says of each. */
public final class Contract {
  private static final Set<String> METHODS = Set.of("get", "put", "post", "delete", "patch");
  private static final Pattern PLACEHOLDER = Pattern.compile("\\{([^}]+)}");

  /** A declared parameter; {@code place} is path, query or header. */
  public record Parameter(
      String name, String place, boolean required, boolean explode, JsonNode schema) {}

  /**
   * An operation.
   *
   * @param path matches its path, with a group for each parameter in it
   * @param body the schema of its JSON body, null where it takes none
   */
  public record Operation(
      String id, String method, Pattern path, boolean literal, boolean secured, int successStatus,
      List<Parameter> parameters, JsonNode body, boolean bodyRequired) {
    /** Returns whether it declares a parameter. */
    public boolean declares(String parameter) {
      return parameters.stream().anyMatch(each -> each.name().equalsIgnoreCase(parameter));
    }
  }

  private final JsonNode document;
  private final String name;
  private final List<Operation> operations = new ArrayList<>();

  private Contract(String name, JsonNode document) {
    this.name = name;
    this.document = document;
    for (Map.Entry<String, JsonNode> path : document.get("paths").properties()) {
      for (Map.Entry<String, JsonNode> item : path.getValue().properties()) {
        if (METHODS.contains(item.getKey())) {
          operations.add(operation(path.getKey(), item.getKey(), path.getValue(), item.getValue()));
        }
      }
    }
  }

  /** Returns a contract of this SDK by its name, such as {@code eu-mp}. */
  public static Contract load(String name) {
    String resource = "/org/flexagora/contracts/" + name + ".json";
    try (InputStream in = Contract.class.getResourceAsStream(resource)) {
      if (in == null) {
        throw new IllegalArgumentException("There is no contract " + name);
      }
      return new Contract(name, Json.MAPPER.readTree(in));
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** Returns its name. */
  public String name() {
    return name;
  }

  /** Returns its version (semantic versioning). */
  public String version() {
    return document.at("/info/version").asText();
  }

  /** Returns where it is served, below a server's base URL. */
  public String basePath() {
    return document.at("/servers/0/url").asText();
  }

  /** Returns the operations. */
  public List<Operation> operations() {
    return operations;
  }

  /** Returns what a node refers to, or the node itself. */
  public JsonNode resolve(JsonNode node) {
    JsonNode found = node;
    while (found.has("$ref")) {
      found = document.at(found.get("$ref").asText().substring(1));
    }
    return found;
  }

  private Operation operation(String path, String method, JsonNode item, JsonNode node) {
    Map<String, Parameter> parameters = new LinkedHashMap<>();
    for (JsonNode owner : List.of(item, node)) {
      for (JsonNode each : owner.path("parameters")) {
        Parameter parameter = parameter(resolve(each));
        parameters.put(parameter.place() + " " + parameter.name(), parameter);
      }
    }
    JsonNode body = node.has("requestBody") ? resolve(node.get("requestBody")) : null;
    int success = 0;
    for (Iterator<String> statuses = node.get("responses").fieldNames(); statuses.hasNext(); ) {
      String status = statuses.next();
      success = status.startsWith("2") && success == 0 ? Integer.parseInt(status) : success;
    }
    JsonNode security = node.has("security") ? node.get("security") : document.path("security");
    String id = node.get("operationId").asText();
    return new Operation(
        id.substring(id.lastIndexOf('.') + 1), method.toUpperCase(Locale.ROOT), pattern(path),
        !path.contains("{"), !security.isEmpty(), success, List.copyOf(parameters.values()),
        body == null ? null : body.at("/content/application~1json/schema"),
        body != null && body.path("required").asBoolean());
  }

  private Parameter parameter(JsonNode node) {
    String place = node.get("in").asText();
    boolean explode = node.path("explode").asBoolean("query".equals(place));
    return new Parameter(node.get("name").asText(), place, node.path("required").asBoolean(),
        explode, resolve(node.get("schema")));
  }

  private static Pattern pattern(String path) {
    StringBuilder pattern = new StringBuilder();
    Matcher placeholder = PLACEHOLDER.matcher(path);
    int end = 0;
    while (placeholder.find()) {
      pattern.append(Pattern.quote(path.substring(end, placeholder.start())));
      pattern.append("(?<").append(placeholder.group(1)).append(">[^/]+)");
      end = placeholder.end();
    }
    return Pattern.compile(pattern + Pattern.quote(path.substring(end)));
  }
}

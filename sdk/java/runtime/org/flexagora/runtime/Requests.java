package org.flexagora.runtime;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.io.IOException;
import java.io.InputStream;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import org.flexagora.runtime.Contract.Operation;
import org.flexagora.runtime.Contract.Parameter;

/** Reads the requests of a contract and checks all of them: parameters, media type, body. */
final class Requests {
  /** How many bytes of a body are read. */
  static final int BODY_LIMIT = 1024 * 1024;

  private static final int DRAINED = 64 * BODY_LIMIT;

  private final Schemas schemas;

  Requests(Contract contract) {
    this.schemas = new Schemas(contract);
  }

  /** What was sent: parameters by their names in lower case, and the body, null for none. */
  record Checked(Map<String, JsonNode> parameters, JsonNode body, byte[] content)
      implements Arguments {
    @Override
    public <T> T get(String name, TypeReference<T> type) {
      JsonNode value = parameters.get(name.toLowerCase(Locale.ROOT));
      return value == null ? null : Json.MAPPER.convertValue(value, type);
    }

    @Override
    public <T> T body(TypeReference<T> type) {
      try {
        return body == null ? null : Json.MAPPER.convertValue(body, type);
      } catch (IllegalArgumentException error) { // only what a handler checks can come so far
        throw Problem.invalid("", "type", "This is not of the types that the contract has.");
      }
    }

    /** Returns a parameter as text; null when it was not sent. */
    String text(String name) {
      JsonNode value = parameters.get(name.toLowerCase(Locale.ROOT));
      return value == null ? null : value.asText();
    }
  }

  /**
   * Returns a request after checking it.
   *
   * @param path the path, matched by the operation's pattern
   * @param headers the values of each header, by its name in lower case
   * @throws Problem 400 with each rule that is broken, 413, 415
   */
  Checked read(
      Operation operation, Matcher path, String query, Map<String, List<String>> headers,
      InputStream in) throws IOException {
    if (operation.body() != null) {
      checkMediaType(headers);
    }
    List<Problem.Field> errors = new ArrayList<>();
    Map<String, JsonNode> parameters = parameters(operation, path, query, headers, errors);
    byte[] content = content(in);
    JsonNode body = null;
    if (operation.body() != null && content.length > 0) {
      try {
        body = Json.read(content);
        errors.addAll(schemas.errors(operation.body(), body, ""));
      } catch (Problem problem) {
        if (errors.isEmpty()) {
          throw problem;
        }
      }
    } else if (operation.bodyRequired()) {
      errors.add(new Problem.Field("", "required", "The body is missing."));
    }
    if (!errors.isEmpty()) {
      throw Problem.invalid(errors);
    }
    return new Checked(parameters, body, content);
  }

  private Map<String, JsonNode> parameters(
      Operation operation, Matcher path, String query, Map<String, List<String>> headers,
      List<Problem.Field> errors) {
    Map<String, List<String>> queries = query(query, errors);
    for (String name : queries.keySet()) {
      if (operation.parameters().stream()
          .noneMatch(each -> "query".equals(each.place()) && each.name().equals(name))) {
        String shown = name.substring(0, Math.min(name.length(), 100));
        errors.add(new Problem.Field(shown, "unknown", "There is no such query parameter."));
      }
    }
    Map<String, JsonNode> found = new HashMap<>();
    for (Parameter parameter : operation.parameters()) {
      List<String> given = switch (parameter.place()) {
        case "path" -> {
          String value = decoded(path.group(parameter.name()).replace("+", "%2B"));
          yield value == null ? List.of("") : List.of(value);
        }
        case "query" -> queries.get(parameter.name());
        default -> headers.get(parameter.name().toLowerCase(Locale.ROOT));
      };
      JsonNode value = value(parameter, given, errors);
      if (value != null) {
        found.put(parameter.name().toLowerCase(Locale.ROOT), value);
      }
    }
    return found;
  }

  private JsonNode value(Parameter parameter, List<String> given, List<Problem.Field> errors) {
    String name = parameter.name();
    if (given == null) {
      if (parameter.required()) {
        errors.add(new Problem.Field(name, "required", name + " is missing."));
      }
      return parameter.schema().get("default");
    }
    String type = parameter.schema().path("type").asText("string");
    boolean array = "array".equals(type);
    if (given.size() > 1 && !(array && parameter.explode())) {
      errors.add(new Problem.Field(name, "repeated", name + " is there twice."));
      return null;
    }
    JsonNode value;
    if (array) {
      ArrayNode items = Json.MAPPER.createArrayNode();
      String kind = parameter.schema().at("/items/type").asText("string");
      List<String> texts = parameter.explode() ? given : List.of(given.get(0).split(",", -1));
      texts.forEach(text -> items.add(scalar(text, kind)));
      value = items;
    } else {
      value = scalar(given.get(0), type);
    }
    List<Problem.Field> broken = schemas.errors(parameter.schema(), value, name);
    errors.addAll(broken);
    return broken.isEmpty() ? value : null;
  }

  /** Returns the text as a value of a JSON type; as text, which its schema refuses, if none. */
  private static JsonNode scalar(String text, String type) {
    boolean literal = switch (type) {
      case "integer" -> text.matches("-?(0|[1-9][0-9]{0,17})");
      case "number" -> text.matches("-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?");
      case "boolean" -> text.matches("true|false");
      default -> false;
    };
    return literal
        ? Json.read(text.getBytes(StandardCharsets.UTF_8)) : TextNode.valueOf(text);
  }

  private static Map<String, List<String>> query(String query, List<Problem.Field> errors) {
    Map<String, List<String>> values = new LinkedHashMap<>();
    for (String pair : query == null ? new String[0] : query.split("&")) {
      if (pair.isEmpty()) {
        continue;
      }
      int equals = pair.indexOf('=');
      String name = decoded(equals < 0 ? pair : pair.substring(0, equals));
      String value = decoded(equals < 0 ? "" : pair.substring(equals + 1));
      if (name == null || value == null) {
        String detail = "The query must be UTF-8 without the NUL character.";
        errors.add(new Problem.Field(name == null ? "query" : name, "characters", detail));
      } else {
        values.computeIfAbsent(name, key -> new ArrayList<>()).add(value);
      }
    }
    return values;
  }

  /** Returns a percent-encoded part of a URL as text, null when it is not text. */
  private static String decoded(String raw) {
    try {
      String text = URLDecoder.decode(raw, StandardCharsets.UTF_8);
      return text.indexOf('\uFFFD') < 0 && Json.isSafe(text) ? text : null;
    } catch (IllegalArgumentException error) {
      return null;
    }
  }

  private static void checkMediaType(Map<String, List<String>> headers) {
    List<String> types = headers.getOrDefault("content-type", List.of());
    boolean empty = "0".equals(headers.getOrDefault("content-length", List.of("0")).get(0));
    if (types.isEmpty() && empty && !headers.containsKey("transfer-encoding")) {
      return; // an absent body is reported as such, not as one of the wrong type
    }
    String type = types.isEmpty() ? "" : types.get(0).toLowerCase(Locale.ROOT);
    String[] parts = type.split(";", -1);
    boolean utf8 = true;
    for (int index = 1; index < parts.length; index++) {
      String attribute = parts[index].strip().replace("\"", "");
      utf8 &= !attribute.startsWith("charset=") || attribute.matches("charset=utf-?8");
    }
    if (types.size() > 1 || !"application/json".equals(parts[0].strip()) || !utf8) {
      throw Problem.of(415, "The media type is not supported", "Send application/json in UTF-8.");
    }
  }

  private static byte[] content(InputStream in) throws IOException {
    byte[] content = in.readNBytes(BODY_LIMIT + 1);
    if (content.length > BODY_LIMIT) {
      // What the caller is still sending is read, to a bound, so that it comes to read the answer.
      byte[] read = new byte[65_536];
      for (long left = DRAINED; left > 0; ) {
        int count = in.read(read);
        left = count < 0 ? 0 : left - count;
      }
      String detail = "At most " + BODY_LIMIT + " bytes are read.";
      throw Problem.of(413, "The body is too large", detail);
    }
    return content;
  }
}

package org.flexagora.runtime;

import com.fasterxml.jackson.databind.JsonNode;
import java.math.BigDecimal;
import java.net.URI;
import java.net.URISyntaxException;
import java.time.DateTimeException;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;

/**
 * Checks values against the schemas of a contract.
 *
 * <p>It knows the keywords that the contracts use, and refuses to work with a schema that has
 * another one.
 */
final class Schemas {
  private static final int MOST_ERRORS = 200;
  private static final Set<String> KNOWN = Set.of(
      "type", "description", "example", "default", "title", "deprecated", "nullable", "required",
      "properties", "additionalProperties", "items", "enum", "format", "pattern", "minLength",
      "maxLength", "minItems", "maxItems", "uniqueItems", "minimum", "maximum", "$ref");
  private static final Pattern UUID =
      Pattern.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}");
  private static final Pattern DATE_TIME = Pattern.compile(
      "\\d{4}-\\d\\d-\\d\\d[Tt]([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,9})?"
          + "([Zz]|[+-]([01]\\d|2[0-3]):[0-5]\\d)");
  private static final Map<String, Pattern> PATTERNS = new ConcurrentHashMap<>();

  private final Contract contract;

  Schemas(Contract contract) {
    this.contract = contract;
  }

  /** Returns every rule that a value breaks; pointers begin with the given one. */
  List<Problem.Field> errors(JsonNode schema, JsonNode value, String pointer) {
    List<Problem.Field> errors = new ArrayList<>();
    check(schema, value, pointer, errors);
    return errors;
  }

  private void check(JsonNode node, JsonNode value, String at, List<Problem.Field> errors) {
    JsonNode schema = contract.resolve(node);
    schema.fieldNames().forEachRemaining(keyword -> {
      if (!KNOWN.contains(keyword) && !keyword.startsWith("x-")) {
        throw new IllegalStateException("Nothing here checks " + keyword);
      }
    });
    if (errors.size() >= MOST_ERRORS || value.isNull() && schema.path("nullable").asBoolean()) {
      return;
    }
    String type = schema.path("type").asText("");
    if (!isOfType(type, value)) {
      errors.add(new Problem.Field(at, "type", "This must be of type " + type + "."));
      return;
    }
    JsonNode allowed = schema.path("enum");
    if (allowed.isArray() && !contains(allowed, value)) {
      errors.add(new Problem.Field(at, "enum", "This must be one of " + allowed + "."));
    }
    switch (type) {
      case "object" -> checkObject(schema, value, at, errors);
      case "array" -> checkArray(schema, value, at, errors);
      case "string" -> checkText(schema, value.textValue(), at, errors);
      case "integer", "number" -> checkNumber(schema, value.decimalValue(), at, errors);
      default -> { }
    }
  }

  private void checkObject(JsonNode schema, JsonNode value, String at, List<Problem.Field> errors) {
    for (JsonNode name : schema.path("required")) {
      if (!value.has(name.asText())) {
        String pointer = at + "/" + Json.escape(name.asText());
        errors.add(new Problem.Field(pointer, "required", "This is required."));
      }
    }
    JsonNode additional = schema.path("additionalProperties");
    value.properties().forEach(field -> {
      String pointer = at + "/" + Json.escape(field.getKey());
      JsonNode declared = schema.path("properties").path(field.getKey());
      if (!declared.isMissingNode()) {
        check(declared, field.getValue(), pointer, errors);
      } else if (additional.isObject()) {
        check(additional, field.getValue(), pointer, errors);
      } else if (additional.isBoolean() && !additional.booleanValue()) {
        String detail = "There is no such property.";
        errors.add(new Problem.Field(pointer, "additionalProperties", detail));
      }
    });
  }

  private void checkArray(JsonNode schema, JsonNode value, String at, List<Problem.Field> errors) {
    within(schema, "Items", value.size(), "items", at, errors);
    if (schema.path("uniqueItems").asBoolean()) {
      Set<JsonNode> seen = new HashSet<>();
      value.forEach(seen::add);
      if (seen.size() < value.size()) {
        errors.add(new Problem.Field(at, "uniqueItems", "An item is there twice."));
      }
    }
    for (int index = 0; schema.has("items") && index < value.size(); index++) {
      check(schema.get("items"), value.get(index), at + "/" + index, errors);
    }
  }

  private static void checkText(
      JsonNode schema, String text, String at, List<Problem.Field> errors) {
    within(schema, "Length", text.codePointCount(0, text.length()), "characters", at, errors);
    if (schema.has("pattern") && !matches(schema.get("pattern").asText(), text)) {
      String detail = "This does not match " + schema.get("pattern") + ".";
      errors.add(new Problem.Field(at, "pattern", detail));
    }
    String format = schema.path("format").asText("");
    if (!isOfFormat(format, text)) {
      String detail = "date-time".equals(format)
          ? "This must be a moment of RFC 3339 with its offset."
          : "This is no " + format + ".";
      errors.add(new Problem.Field(at, "format", detail));
    }
  }

  private static void checkNumber(
      JsonNode schema, BigDecimal number, String at, List<Problem.Field> errors) {
    JsonNode least = schema.path("minimum");
    JsonNode most = schema.path("maximum");
    if (least.isNumber() && number.compareTo(least.decimalValue()) < 0) {
      errors.add(new Problem.Field(at, "minimum", "This is less than " + least + "."));
    }
    if (most.isNumber() && number.compareTo(most.decimalValue()) > 0) {
      errors.add(new Problem.Field(at, "maximum", "This is more than " + most + "."));
    }
  }

  private static void within(
      JsonNode schema, String what, int size, String unit, String at, List<Problem.Field> errors) {
    JsonNode least = schema.path("min" + what);
    JsonNode most = schema.path("max" + what);
    if (least.isNumber() && size < least.intValue()) {
      errors.add(new Problem.Field(at, "min" + what, "At least " + least + " " + unit + "."));
    }
    if (most.isNumber() && size > most.intValue()) {
      errors.add(new Problem.Field(at, "max" + what, "At most " + most + " " + unit + "."));
    }
  }

  private static boolean isOfType(String type, JsonNode value) {
    return switch (type) {
      case "object" -> value.isObject();
      case "array" -> value.isArray();
      case "string" -> value.isTextual();
      case "integer" -> value.isIntegralNumber();
      case "number" -> value.isNumber();
      case "boolean" -> value.isBoolean();
      case "" -> true;
      default -> throw new IllegalStateException("Nothing here checks the type " + type);
    };
  }

  private static boolean contains(JsonNode allowed, JsonNode value) {
    for (JsonNode each : allowed) {
      if (each.equals(value)) {
        return true;
      }
    }
    return false;
  }

  private static boolean matches(String pattern, String text) {
    // In Java, unlike in JSON Schema, $ matches before a line break at the end, too.
    return PATTERNS.computeIfAbsent(pattern, each -> Pattern.compile(
        each.endsWith("$") ? each.substring(0, each.length() - 1) + "\\z" : each))
        .matcher(text).find();
  }

  private static boolean isOfFormat(String format, String text) {
    return switch (format) {
      case "date-time" -> DATE_TIME.matcher(text).matches()
          && parses(() -> OffsetDateTime.parse(text.toUpperCase(Locale.ROOT)));
      case "date" -> text.length() == 10 && parses(() -> LocalDate.parse(text));
      case "uuid" -> UUID.matcher(text).matches();
      case "uri" -> isUri(text);
      case "email" -> text.matches("[^@\\s]{1,64}@[A-Za-z0-9][A-Za-z0-9.-]{0,249}");
      default -> true; // int32 and the like, which a type already implies
    };
  }

  private static boolean parses(Runnable parsing) {
    try {
      parsing.run();
      return true;
    } catch (DateTimeException error) {
      return false;
    }
  }

  private static boolean isUri(String text) {
    try {
      URI uri = new URI(text);
      boolean web = "http".equals(uri.getScheme()) || "https".equals(uri.getScheme());
      return uri.isAbsolute() && (!web || uri.getHost() != null);
    } catch (URISyntaxException error) {
      return false;
    }
  }
}

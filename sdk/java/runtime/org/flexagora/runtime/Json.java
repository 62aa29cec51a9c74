package org.flexagora.runtime;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.datatype.jsr310.JavaTimeModule;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** JSON, read so that no two readers could understand it differently. */
public final class Json {
  private static final int MAX_DEPTH = 64;
  private static final BigInteger MAX_INTEGER = BigInteger.valueOf(Long.MAX_VALUE);

  /** Turns models into JSON and back; unknown properties are ignored, absent ones not written. */
  public static final ObjectMapper MAPPER = new ObjectMapper(
          JsonFactory.builder()
              .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
              .streamReadConstraints(StreamReadConstraints.builder()
                  .maxNestingDepth(MAX_DEPTH).maxNumberLength(64).build())
              .build())
      .registerModule(new JavaTimeModule())
      .setDefaultPropertyInclusion(JsonInclude.Include.NON_NULL)
      .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
      // What may be one or many is a list here; where it must be a list, the schema was checked.
      .enable(DeserializationFeature.ACCEPT_SINGLE_VALUE_AS_ARRAY)
      .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
      .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
      .disable(DeserializationFeature.ADJUST_DATES_TO_CONTEXT_TIME_ZONE)
      .disable(SerializationFeature.WRITE_DATES_AS_TIMESTAMPS);

  private static final String UNSAFE = " must have no NUL character and no lone surrogate.";

  private Json() {}

  /** Returns an empty object. */
  public static ObjectNode object() {
    return MAPPER.createObjectNode();
  }

  /** Returns a model as JSON. */
  public static JsonNode tree(Object value) {
    return MAPPER.valueToTree(value);
  }

  /** Returns JSON as a model. */
  public static <T> T as(Class<T> type, JsonNode node) {
    return MAPPER.convertValue(node, type);
  }

  /** Returns JSON as bytes, in UTF-8. */
  public static byte[] bytes(Object value) {
    try {
      return MAPPER.writeValueAsBytes(value);
    } catch (JsonProcessingException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** Returns JSON as bytes that are the same for equal values. */
  static byte[] canonical(JsonNode node) {
    try {
      return MAPPER.writer(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS)
          .writeValueAsBytes(MAPPER.convertValue(node, Object.class));
    } catch (JsonProcessingException error) {
      throw new UncheckedIOException(error);
    }
  }

  /**
   * Returns the value of a JSON text in UTF-8.
   *
   * @throws Problem 400 for other encodings, keys that are there twice, NaN and Infinity, numbers
   *     beyond 64 bits, nesting deeper than 64, and the NUL character or a lone surrogate in a text
   */
  public static JsonNode read(byte[] data) {
    String text;
    try {
      text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(data)).toString();
    } catch (CharacterCodingException error) {
      throw Problem.invalid("", "utf-8", "The body must be JSON in UTF-8.");
    }
    try (JsonParser parser = MAPPER.createParser(text)) {
      JsonNode node = MAPPER.readTree(parser);
      if (node == null || node.isMissingNode() || parser.nextToken() != null) {
        throw Problem.invalid("", "json", "The body is not one JSON value.");
      }
      check(node, "");
      return node;
    } catch (StreamConstraintsException error) {
      String detail = "The body is nested deeper than 64, or has a number that is too long.";
      throw Problem.invalid("", "limits", detail);
    } catch (JsonProcessingException error) {
      boolean twice = error.getOriginalMessage().startsWith("Duplicate field");
      throw Problem.invalid("", twice ? "uniqueKeys" : "json",
          twice ? "A key is there twice." : "The body is not JSON: " + error.getOriginalMessage());
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  private static void check(JsonNode node, String pointer) {
    if (node.isTextual() && !isSafe(node.textValue())) {
      throw Problem.invalid(pointer, "characters", "A text" + UNSAFE);
    }
    if (node.isIntegralNumber() && node.bigIntegerValue().abs().compareTo(MAX_INTEGER) > 0) {
      throw Problem.invalid(pointer, "number", "Integers must have 64 bits at most.");
    }
    if (node.isFloatingPointNumber() && Double.isInfinite(node.doubleValue())) {
      throw Problem.invalid(pointer, "number", "Numbers must be those of a double.");
    }
    for (Map.Entry<String, JsonNode> field : node.properties()) {
      if (!isSafe(field.getKey())) {
        throw Problem.invalid(pointer, "characters", "A key" + UNSAFE);
      }
      check(field.getValue(), pointer + "/" + escape(field.getKey()));
    }
    for (int index = 0; node.isArray() && index < node.size(); index++) {
      check(node.get(index), pointer + "/" + index);
    }
  }

  /** Returns whether every store and every encoder can take a text. */
  static boolean isSafe(String text) {
    return text.indexOf('\0') < 0 && StandardCharsets.UTF_8.newEncoder().canEncode(text);
  }

  /** Returns one step of a path as a JSON pointer has it. */
  static String escape(String part) {
    String shown = part.length() <= 100 ? part : part.substring(0, 100);
    return shown.replace("~", "~0").replace("/", "~1");
  }
}

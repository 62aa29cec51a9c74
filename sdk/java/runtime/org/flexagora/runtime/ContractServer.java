package org.flexagora.runtime;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.System.Logger.Level;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import org.flexagora.runtime.Contract.Operation;

/**
 * Serves contracts over HTTP/1.1.
 *
 * <p>Of each call it checks, in this order: path and method, API key, media type, parameters and
 * body, and the signature where the contract has one. Whatever is refused is answered with a
 * problem document. A call that is repeated with its Idempotency-Key gets its first answer. TLS is
 * for a proxy in front.
 */
public final class ContractServer implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(ContractServer.class.getName());
  private static final String CORRELATION_ID = "[A-Za-z0-9._:-]{1,128}";
  private static final int THREADS = 64;

  static { // of the JDK's server, which reads them once: seconds, and no waiting for small packets
    System.setProperty("sun.net.httpserver.maxReqTime", "30");
    System.setProperty("sun.net.httpserver.maxRspTime", "60");
    System.setProperty("sun.net.httpserver.nodelay", "true");
  }

  private final HttpServer server;
  private final ExecutorService threads;
  private final Replies replies;
  private final List<Served> contracts = new ArrayList<>();

  private record Served(
      Contract contract, Handler handler, Requests requests, Consumer<String> checkKey,
      Webhooks webhooks) {}

  private record Answer(int status, String mediaType, byte[] body, Map<String, String> headers) {}

  /**
   * Prepares a server, which answers once it is started.
   *
   * @param host the address it listens on
   * @param port its port; 0 for a free one
   * @param journal where answers are kept for repeated calls
   */
  public ContractServer(String host, int port, Journal journal, Secrets secrets, Clock clock) {
    this.replies = new Replies(journal, secrets, clock);
    try {
      server = HttpServer.create(new InetSocketAddress(host, port), 0);
    } catch (IOException error) {
      throw new UncheckedIOException("Nothing can be served at " + host + ":" + port, error);
    }
    threads = Executors.newFixedThreadPool(THREADS, task -> {
      Thread thread = new Thread(task, "contract-server");
      thread.setDaemon(true);
      return thread;
    });
    server.setExecutor(threads);
    server.createContext("/", this::serve);
  }

  /**
   * Serves a contract below its base path.
   *
   * @param checkKey throws the problem of a key of {@code X-API-Key} that is not good
   * @param webhooks checks what the contract says is signed; null where nothing can be checked
   */
  public void serve(Handler handler, Consumer<String> checkKey, Webhooks webhooks) {
    Contract contract = Contract.load(handler.contract());
    contracts.add(new Served(contract, handler, new Requests(contract), checkKey, webhooks));
  }

  /** Starts, and returns the port. */
  public int start() {
    server.start();
    return server.getAddress().getPort();
  }

  /** Stops, after the calls that are under way. */
  @Override
  public void close() {
    server.stop(1);
    threads.shutdown();
  }

  private void serve(HttpExchange exchange) throws IOException {
    try (exchange) {
      Map<String, List<String>> headers = new HashMap<>();
      exchange.getRequestHeaders().forEach(
          (name, values) -> headers.put(name.toLowerCase(Locale.ROOT), values));
      String path = exchange.getRequestURI().getRawPath();
      String sent = headers.getOrDefault("x-correlation-id", List.of("")).get(0);
      String id = sent.matches(CORRELATION_ID) ? sent : Secrets.id().toString();
      Answer answer;
      try {
        answer = answer(exchange, path, headers);
      } catch (Problem problem) {
        answer = refusal(problem, path, id);
      } catch (IOException | RuntimeException error) {
        LOG.log(Level.ERROR, "Unforeseen error [" + id + "]", error);
        String detail = "The error is logged under the correlation id.";
        answer = refusal(Problem.of(500, "Internal error", detail), path, id);
      }
      send(exchange, answer, id);
    }
  }

  private Answer answer(HttpExchange exchange, String path, Map<String, List<String>> headers)
      throws IOException {
    String method = exchange.getRequestMethod();
    if (("GET".equals(method) || "HEAD".equals(method)) && "/healthz".equals(path)) {
      return json(200, Json.object().put("status", "ALIVE").toString());
    }
    for (Served served : contracts) {
      if (path.startsWith(served.contract().basePath() + "/")) {
        return answer(served, exchange, path, headers);
      }
    }
    throw nothingHere();
  }

  private Answer answer(
      Served served, HttpExchange exchange, String path, Map<String, List<String>> headers)
      throws IOException {
    String below = path.substring(served.contract().basePath().length());
    List<Operation> there = served.contract().operations().stream()
        .filter(each -> each.path().matcher(below).matches()).toList();
    if (there.stream().anyMatch(Operation::literal)) { // goes before one with a parameter
      there = there.stream().filter(Operation::literal).toList();
    }
    String method = exchange.getRequestMethod();
    Operation operation = there.stream()
        .filter(each -> each.method().equals("HEAD".equals(method) ? "GET" : method))
        .findFirst().orElse(null);
    if (operation == null) {
      return withoutOperation(method, there);
    }
    if (operation.secured()) {
      served.checkKey().accept(presented(headers));
    }
    Matcher matcher = operation.path().matcher(below);
    matcher.matches();
    String query = exchange.getRequestURI().getRawQuery();
    Requests.Checked checked = served.requests()
        .read(operation, matcher, query, headers, exchange.getRequestBody());
    if (served.webhooks() != null && operation.declares("webhook-signature")) {
      served.webhooks().verify(checked.text("webhook-id"), checked.text("webhook-timestamp"),
          checked.text("webhook-signature"), checked.content());
    }
    String key = checked.text("Idempotency-Key");
    String body = key == null
        ? handled(served, operation, checked)
        : replies.once(operation.id(), key, fingerprint(method, path, query, checked),
            () -> handled(served, operation, checked));
    return json(operation.successStatus(), body);
  }

  private static String handled(Served served, Operation operation, Requests.Checked checked) {
    try {
      Object result = served.handler().answer(operation.id(), checked);
      return result == null ? "" : new String(Json.bytes(result), StandardCharsets.UTF_8);
    } catch (RuntimeException error) {
      throw error;
    } catch (Exception error) {
      throw new IllegalStateException(error);
    }
  }

  private static Answer withoutOperation(String method, List<Operation> there) {
    if (there.isEmpty()) {
      throw nothingHere();
    }
    TreeSet<String> allowed = new TreeSet<>(List.of("OPTIONS"));
    there.forEach(each -> allowed.add(each.method()));
    if (allowed.contains("GET")) {
      allowed.add("HEAD");
    }
    String allow = String.join(", ", allowed);
    if ("OPTIONS".equals(method)) {
      return new Answer(204, null, new byte[0], Map.of("Allow", allow));
    }
    String detail = method + " is not one of " + allow + ".";
    throw Problem.of(405, "This method is not allowed here", detail).with("Allow", allow);
  }

  private static String presented(Map<String, List<String>> headers) {
    List<String> keys = headers.getOrDefault("x-api-key", List.of());
    if (keys.size() != 1) {
      throw Problem.unauthenticated(keys.isEmpty()
          ? "Present an API key in X-API-Key." : "The credential is there twice.");
    }
    return keys.get(0).strip();
  }

  private static String fingerprint(
      String method, String path, String query, Requests.Checked checked) {
    String[] pairs = (query == null ? "" : query).split("&");
    Arrays.sort(pairs);
    byte[] body = checked.body() == null ? checked.content() : Json.canonical(checked.body());
    String asked = String.join("\n", method, path, String.join("&", pairs));
    return Secrets.hash(asked + "\n" + new String(body, StandardCharsets.ISO_8859_1));
  }

  private static Problem nothingHere() {
    return Problem.of(404, "Not found", "Nothing is served at this path.");
  }

  private static Answer json(int status, String body) {
    byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
    return new Answer(status, "application/json", bytes, Map.of());
  }

  private static Answer refusal(Problem problem, String path, String id) {
    byte[] body = Json.bytes(problem.document(path, id));
    return new Answer(problem.status(), "application/problem+json", body, problem.headers());
  }

  private static void send(HttpExchange exchange, Answer answer, String id) throws IOException {
    var headers = exchange.getResponseHeaders();
    headers.set("X-Correlation-Id", id);
    headers.set("Cache-Control", "no-store");
    headers.set("X-Content-Type-Options", "nosniff");
    headers.set("Referrer-Policy", "no-referrer");
    answer.headers().forEach(headers::set);
    if (answer.mediaType() != null) {
      headers.set("Content-Type", answer.mediaType());
    }
    boolean head = "HEAD".equals(exchange.getRequestMethod());
    if (head) {
      headers.set("Content-Length", String.valueOf(answer.body().length));
    }
    boolean silent = head || answer.body().length == 0;
    exchange.sendResponseHeaders(answer.status(), silent ? -1 : answer.body().length);
    if (!silent) {
      exchange.getResponseBody().write(answer.body());
    }
  }
}

package org.flexagora.runtime;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;

/**
 * What a platform must not forget: values by their keys, in a file that is only appended to.
 *
 * <p>What one transaction writes is one line, which is on the disk before the transaction ends:
 * after a crash either all of it is there or nothing. A line that a crash has left half written is
 * dropped when the file is opened. The values are held in memory too. One process at a time can
 * have it open; its file is readable by its owner alone.
 */
public final class Journal implements AutoCloseable {
  private static final int GARBAGE_TOLERATED = 1000;

  private final TreeMap<String, JsonNode> values = new TreeMap<>();
  private final ReentrantLock lock = new ReentrantLock();
  private final FileLock fileLock;
  private FileChannel channel;
  private Map<String, JsonNode> pending;
  private List<Runnable> afterwards;

  /**
   * Opens a journal, and makes the file where there is none.
   *
   * @throws IllegalStateException when another process has it open, or a line in it is damaged
   */
  public Journal(Path file) {
    try {
      Path lockFile = file.resolveSibling(file.getFileName() + ".lock");
      fileLock = lock(FileChannel.open(lockFile, options(), ownerOnly()), file);
      read(file);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /**
   * Runs work that reads and writes values; they are durable when this returns.
   *
   * <p>Only one transaction runs at a time; one inside another is a part of it. When the work
   * throws, nothing is written.
   */
  public <T> T transaction(Supplier<T> work) {
    lock.lock();
    boolean outer = pending == null;
    List<Runnable> following = List.of();
    try {
      if (!outer) {
        return work.get();
      }
      pending = new TreeMap<>();
      afterwards = new ArrayList<>();
      T result = work.get();
      commit();
      following = afterwards;
      return result;
    } finally {
      if (outer) {
        pending = null;
      }
      lock.unlock();
      following.forEach(Runnable::run);
    }
  }

  /** Returns a value. */
  public <T> Optional<T> get(String key, Class<T> type) {
    return transaction(() -> {
      JsonNode value = pending.containsKey(key) ? pending.get(key) : values.get(key);
      return Optional.ofNullable(value).filter(one -> !one.isNull())
          .map(one -> Json.as(type, one));
    });
  }

  /** Returns the values whose keys begin with a prefix, in the order of the rest of their keys. */
  public <T> SortedMap<String, T> all(String prefix, Class<T> type) {
    return transaction(() -> {
      SortedMap<String, JsonNode> found = new TreeMap<>(
          values.subMap(prefix, prefix + Character.MAX_VALUE));
      pending.forEach((key, value) -> {
        if (key.startsWith(prefix)) {
          found.put(key, value);
        }
      });
      SortedMap<String, T> typed = new TreeMap<>();
      found.forEach((key, value) -> {
        if (!value.isNull()) {
          typed.put(key.substring(prefix.length()), Json.as(type, value));
        }
      });
      return typed;
    });
  }

  /** Writes a value. */
  public void put(String key, Object value) {
    transaction(() -> pending.put(key, Json.tree(value)));
  }

  /** Removes a value, if it is there. */
  public void remove(String key) {
    transaction(() -> pending.put(key, Json.MAPPER.nullNode()));
  }

  /** Runs something once the present transaction is durable; not at all when it fails. */
  public void afterwards(Runnable action) {
    transaction(() -> afterwards.add(action));
  }

  @Override
  public void close() {
    lock.lock();
    try {
      channel.close();
      fileLock.acquiredBy().close();
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    } finally {
      lock.unlock();
    }
  }

  private void commit() {
    if (pending.isEmpty()) {
      return;
    }
    ObjectNode line = Json.object();
    line.setAll(pending);
    try {
      append(line);
    } catch (IOException error) {
      throw new UncheckedIOException("The journal cannot be written.", error);
    }
    pending.forEach(this::apply);
  }

  private void append(ObjectNode line) throws IOException {
    long end = channel.position();
    try {
      write(channel, line);
      channel.force(false);
    } catch (IOException error) {
      channel.truncate(end); // what is there of it is not to be taken for a line
      throw error;
    }
  }

  private void apply(String key, JsonNode value) {
    if (value.isNull()) {
      values.remove(key);
    } else {
      values.put(key, value);
    }
  }

  private void read(Path file) throws IOException {
    byte[] content = new byte[0];
    try {
      content = Files.readAllBytes(file);
    } catch (NoSuchFileException error) {
      // the first start
    }
    int end = 0;
    int lines = 0;
    for (int next = lineEnd(content, 0); next > 0; next = lineEnd(content, end)) {
      readLine(content, end, next, file);
      end = next;
      lines++;
    }
    channel = FileChannel.open(file, options(), ownerOnly());
    if (lines > 2 * values.size() + GARBAGE_TOLERATED) {
      compact(file);
    } else {
      channel.truncate(end);
      channel.position(end);
    }
  }

  private void readLine(byte[] content, int start, int end, Path file) throws IOException {
    try {
      Json.MAPPER.readTree(content, start, end - start).properties()
          .forEach(field -> apply(field.getKey(), field.getValue()));
    } catch (JsonProcessingException error) {
      throw new IllegalStateException(file + " is damaged at byte " + start + ".", error);
    }
  }

  private void compact(Path file) throws IOException {
    Path fresh = file.resolveSibling(file.getFileName() + ".new");
    Files.deleteIfExists(fresh);
    FileChannel written = FileChannel.open(fresh, options(), ownerOnly());
    for (Map.Entry<String, JsonNode> entry : values.entrySet()) {
      write(written, Json.object().set(entry.getKey(), entry.getValue()));
    }
    written.force(true);
    Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE);
    channel.close();
    channel = written;
    try (FileChannel folder = FileChannel.open(file.toAbsolutePath().getParent())) {
      folder.force(true);
    }
  }

  private static void write(FileChannel channel, JsonNode line) throws IOException {
    byte[] bytes = Json.bytes(line);
    ByteBuffer buffer = ByteBuffer.allocate(bytes.length + 1).put(bytes).put((byte) '\n').flip();
    while (buffer.hasRemaining()) {
      channel.write(buffer);
    }
  }

  private static int lineEnd(byte[] content, int start) {
    for (int index = start; index < content.length; index++) {
      if (content[index] == '\n') {
        return index + 1;
      }
    }
    return -1;
  }

  private static FileLock lock(FileChannel channel, Path file) throws IOException {
    FileLock lock = null;
    try {
      lock = channel.tryLock();
    } catch (OverlappingFileLockException error) {
      // this process has it open already
    }
    if (lock == null) {
      channel.close();
      throw new IllegalStateException(file + " is in use by another platform.");
    }
    return lock;
  }

  private static Set<StandardOpenOption> options() {
    return Set.of(StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
  }

  static FileAttribute<?>[] ownerOnly() {
    return FileSystems.getDefault().supportedFileAttributeViews().contains("posix")
        ? new FileAttribute<?>[] {
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))}
        : new FileAttribute<?>[0];
  }
}

"""The SDK for Java, compiled as it is shipped, and its example as a process."""

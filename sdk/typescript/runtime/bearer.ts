/** How the generated clients are given a bearer token. */

/**
 * Returns what a client's `Configuration` takes as `accessToken`: the generated code sends that as
 * the whole header `Authorization`, so the scheme belongs to it. The token is asked for each call.
 */
export function bearer(token: () => string | Promise<string>): () => Promise<string> {
  return async () => `Bearer ${await token()}`;
}

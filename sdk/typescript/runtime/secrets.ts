/** Secrets: made at random, stored hashed by who checks them and encrypted by who presents them. */

import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

/** Returns a fresh secret of 256 random bits, with a prefix that says what it is for. */
export function newSecret(prefix: string): string {
  return `${prefix}_${randomBytes(32).toString("base64url")}`;
}

/**
 * Returns what is stored of a secret: SHA-256, in hex. A plain hash is enough for 256 random bits,
 * which nobody can guess; never for a password that a person chose.
 */
export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/** Encrypts what must be presented again later, by AES-256-GCM. */
export class SecretBox {
  readonly #key: Buffer;

  /** Takes a key of 32 bytes in base64. Throws RangeError for another. */
  constructor(key: string) {
    this.#key = Buffer.from(key, "base64");
    if (this.#key.length !== 32) throw new RangeError("An encryption key has 32 bytes, in base64.");
  }

  /** Returns a box with the key in a file that only its owner may read, made the first time. */
  static fromFile(file: string): SecretBox {
    if (!existsSync(file)) {
      writeFileSync(file, randomBytes(32).toString("base64"), { mode: 0o600, flag: "wx" });
    }
    return new SecretBox(readFileSync(file, "utf-8").trim());
  }

  /** Returns the text encrypted and authenticated, in base64. */
  encrypt(plain: string): string {
    const nonce = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", this.#key, nonce);
    const encrypted = Buffer.concat([cipher.update(plain, "utf-8"), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), encrypted]).toString("base64");
  }

  /** Returns the text. Throws Error when another key has encrypted it. */
  decrypt(encrypted: string): string {
    const data = Buffer.from(encrypted, "base64");
    const decipher = createDecipheriv("aes-256-gcm", this.#key, data.subarray(0, 12));
    decipher.setAuthTag(data.subarray(12, 28));
    try {
      return decipher.update(data.subarray(28), undefined, "utf-8") + decipher.final("utf-8");
    } catch (error) {
      throw new Error("A stored secret cannot be read with the configured key.", { cause: error });
    }
  }
}

/** Keys that objects use, with the number of their users, so that listing them does not visit the objects. */
export class UsedKeys {
  readonly #users = new Map<string, number>();

  /** Replaces the keys of one user. */
  replace(before: Iterable<string>, now: Iterable<string>): void {
    for (const key of now) this.#users.set(key, (this.#users.get(key) ?? 0) + 1);
    for (const key of before) {
      const users = (this.#users.get(key) ?? 0) - 1;
      if (users > 0) this.#users.set(key, users);
      else this.#users.delete(key);
    }
  }

  keys(): Iterable<string> {
    return this.#users.keys();
  }
}

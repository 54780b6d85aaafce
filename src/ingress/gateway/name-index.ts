/** Hostnames that can be searched for common names without comparing each. */
export class NameIndex {
  readonly #exact = new Set<string>();
  /** Domains of wildcards. */
  readonly #wildcards = new Set<string>();
  /** Every domain above a name or wildcard. */
  readonly #above = new Set<string>();
  #hasAll = false;

  /** Adds a name, or `*.` and a name; undefined is every name. */
  add(hostname: string | undefined): void {
    if (hostname === undefined) {
      this.#hasAll = true;
      return;
    }
    const isWildcard = hostname.startsWith('*.');
    const name = isWildcard ? hostname.slice(2) : hostname;
    if (isWildcard) this.#wildcards.add(name);
    else this.#exact.add(name);
    for (const domain of listDomains(name, isWildcard)) this.#above.add(domain);
  }

  /** Returns whether a hostname has a name in common with one of these. */
  meets(hostname: string | undefined): boolean {
    if (hostname === undefined) return this.#hasAll || this.#above.size > 0 || this.#exact.size > 0;
    if (this.#hasAll) return true;
    const isWildcard = hostname.startsWith('*.');
    const name = isWildcard ? hostname.slice(2) : hostname;
    if (listDomains(name, isWildcard).some((domain) => this.#wildcards.has(domain))) return true;
    return isWildcard ? this.#above.has(name) : this.#exact.has(name);
  }
}

/** Returns the domains whose wildcards cover a name, or all names below it. */
function listDomains(name: string, includesItself: boolean): readonly string[] {
  const domains = includesItself ? [name] : [];
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) domains.push(name.slice(dot + 1));
  return domains;
}

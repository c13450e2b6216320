// What is wrong with a bucket's blocks is found at each sync, and is news but once.
// Owns what was told at the last sync.

/** Tells what it has not told in the round before. */
export class News {
  #last: ReadonlySet<string> = new Set()
  #told = new Set<string>()

  /** Begins a round. */
  begin(): void {
    this.#last = this.#told
    this.#told = new Set()
  }

  /** Whether the round before did not have it. */
  isNew(what: string): boolean {
    this.#told.add(what)
    return !this.#last.has(what)
  }
}

// Whether a process is healthy (should live) and ready (should get traffic), as /-/healthy, /-/ready and gRPC health tell.
// Starts healthy and not ready, as Thanos's components do.
// Owns the state; http.ts and grpc.ts show it.

export class Probe {
  #unhealthyReason: string | undefined
  #notReadyReason: string | undefined = 'starting'
  #listeners = new Set<() => void>()

  /** Undefined where the process is healthy. */
  get unhealthyReason(): string | undefined {
    return this.#unhealthyReason
  }

  /** Undefined where the process is ready. */
  get notReadyReason(): string | undefined {
    return this.#notReadyReason
  }

  get isHealthy(): boolean {
    return this.#unhealthyReason === undefined
  }

  get isReady(): boolean {
    return this.#notReadyReason === undefined
  }

  ready(): void {
    this.#notReadyReason = undefined
    this.#changed()
  }

  notReady(reason: string): void {
    this.#notReadyReason = reason
    this.#changed()
  }

  healthy(): void {
    this.#unhealthyReason = undefined
    this.#changed()
  }

  notHealthy(reason: string): void {
    this.#unhealthyReason = reason
    this.#changed()
  }

  /** Calls the listener after every change, until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }
}

// Steps of a scenario, each printed as it ends, and their count.
// Owns the print; what a step does and whether a failed one ends the scenario is the caller's.

export class Steps {
  passed = 0
  failed = 0

  /** Runs a step: its text is printed beside the name. False where it threw, which is printed, too. */
  async step(name: string, work: () => Promise<string>): Promise<boolean> {
    const value = await this.value(name, async () => ({ value: true as const, note: await work() }))
    return value === true
  }

  /** As `step`, for one that others need something of; undefined where it threw. */
  async value<T>(name: string, work: () => Promise<{ value: T; note: string }>): Promise<T | undefined> {
    try {
      const { value, note } = await work()
      this.passed++
      console.log(`ok    ${name}${note ? `: ${note}` : ''}`)
      return value
    } catch (error) {
      this.failed++
      console.log(`FAIL  ${name}: ${error instanceof Error ? error.message : error}`)
      return undefined
    }
  }

  summary(): string {
    return `${this.passed} passed, ${this.failed} failed`
  }
}

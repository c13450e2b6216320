// What users saw of each fault: whole, part with a warning, an error; and what was missing or wrong without a word, which must
// be nothing. Answers are matrices of Prometheus's HTTP API.
// Owns the rows.

export interface Answer {
  readonly status: string
  readonly error?: string
  readonly warnings?: readonly string[]
  readonly data?: {
    readonly result: readonly {
      readonly metric: Readonly<Record<string, string>>
      readonly values: readonly (readonly [seconds: number, value: string])[]
    }[]
  }
}

/** `silent`: samples that are missing without a warning, or wrong with or without one. */
export type Seen = 'whole' | 'whole, with a warning' | 'part' | 'error' | 'silent'
export type Expected = Exclude<Seen, 'silent'>

interface Row {
  readonly fault: string
  readonly partialResponse: boolean
  readonly seen: Seen
  readonly text: string
  readonly missingInSilence: number
}

export class FaultTable {
  readonly #rows: Row[] = []
  readonly #names = new Map<string, string>()
  #whole: ReadonlySet<string> = new Set()

  /** What stands for a text that differs from run to run. */
  name(text: string, name: string): void {
    this.#names.set(text, name)
  }

  setWhole(answer: Answer): void {
    this.#whole = samplesOf(answer)
  }

  get wholeSamples(): number {
    return this.#whole.size
  }

  isWhole(answer: Answer): boolean {
    return answer.warnings === undefined && samplesOf(answer).symmetricDifference(this.#whole).size === 0
  }

  /** Adds a row; what was seen. */
  add(fault: string, partialResponse: boolean, answer: Answer): Seen {
    const got = samplesOf(answer)
    const wrong = got.difference(this.#whole).size
    const missing = this.#whole.difference(got).size
    const isTold = answer.error !== undefined || answer.warnings !== undefined
    const missingInSilence = wrong + (isTold ? 0 : missing)
    const seen = seenOf({ isError: answer.error !== undefined, missing, missingInSilence, isTold })
    const text = this.#named((answer.error ?? answer.warnings?.join('; ') ?? '').split('\n')[0]!)
    this.#rows.push({ fault, partialResponse, seen, text, missingInSilence })
    return seen
  }

  /** A table in Markdown. */
  toString(): string {
    const head = [
      '| fault | partial response | the user saw | said | missing or wrong in silence |',
      '|---|---|---|---|---|',
    ]
    const rows = this.#rows.map(
      ({ fault, partialResponse, seen, text, missingInSilence }) =>
        `| ${fault} | ${partialResponse ? 'on' : 'off'} | ${seen} | ${text} | ${missingInSilence || 'nothing'} |`,
    )
    return [...head, ...rows].join('\n')
  }

  #named(text: string): string {
    return [...this.#names].reduce((named, [from, to]) => named.replaceAll(from, to), text)
  }
}

function seenOf(found: { isError: boolean; missing: number; missingInSilence: number; isTold: boolean }): Seen {
  if (found.missingInSilence > 0) return 'silent'
  if (found.isError) return 'error'
  if (found.missing > 0) return 'part'
  return found.isTold ? 'whole, with a warning' : 'whole'
}

/** Each sample with its labels. */
function samplesOf({ data }: Answer): Set<string> {
  const samples = new Set<string>()
  for (const { metric, values } of data?.result ?? []) {
    const labels = JSON.stringify(Object.entries(metric).sort())
    for (const [seconds, value] of values) samples.add(`${labels} ${seconds} ${value}`)
  }
  return samples
}

// Whether an index's postings lists say what its series say.
// Specification: Prometheus tsdb/docs/format/index.md: a list a label pair, ("", "") for all series.
// Owns a count and a sum of references a pair, from which a list that lacks, repeats or mixes up a series differs.
import type { IndexedSeries, IndexReader } from '../tsdb/index-reader.ts'

interface Sums {
  count: number
  refs: number
}

export class PostingsTally {
  readonly #all: Sums = { count: 0, refs: 0 }
  readonly #pairs = new Map<string, Map<string, Sums>>()

  add({ ref, labels }: IndexedSeries): void {
    addTo(this.#all, ref)
    for (let i = 0; i < labels.length; i += 2) {
      const values = this.#valuesOf(labels[i]!)
      const sums = values.get(labels[i + 1]!)
      if (sums) addTo(sums, ref)
      else values.set(labels[i + 1]!, { count: 1, refs: ref })
    }
  }

  #valuesOf(name: string): Map<string, Sums> {
    const known = this.#pairs.get(name)
    if (known) return known
    const values = new Map<string, Sums>()
    this.#pairs.set(name, values)
    return values
  }

  /** Each a line. Throws `corrupt` where a list cannot be read. */
  async problems(reader: IndexReader, signal: AbortSignal): Promise<string[]> {
    const wrong: string[] = []
    const compare = async (name: string, value: string, want: Sums | undefined) => {
      signal.throwIfAborted()
      const got: Sums = { count: 0, refs: 0 }
      for (const ref of await reader.postings(name, value, signal)) addTo(got, ref)
      if (want?.count !== got.count || want.refs !== got.refs) wrong.push(`${name}=${JSON.stringify(value)}`)
    }
    await compare('', '', this.#all)
    let listed = 0
    for (const name of reader.labelNames()) {
      const want = this.#pairs.get(name)
      for (const value of reader.labelValues(name)) {
        listed++
        await compare(name, value, want?.get(value))
      }
    }
    const pairs = [...this.#pairs.values()].reduce((sum, values) => sum + values.size, 0)
    return [
      ...(wrong.length > 0
        ? [`${wrong.length} postings lists that are not those of the series, the first ${wrong[0]}`]
        : []),
      ...(listed === pairs ? [] : [`${listed} postings lists, where the series have ${pairs} label pairs`]),
    ]
  }
}

function addTo(sums: Sums, ref: number): void {
  sums.count++
  sums.refs += ref
}

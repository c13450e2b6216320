// The sources of blocks that `tools bucket rewrite` makes: new ones, so that no reader takes an old block for a new one.
// Not Thanos's, which gives each block itself as its only source: then none covers another any more, and a raw block whose
// downsampled copies were rewritten with it is downsampled again.
// Owns which new source stands for an old one, in all blocks of a run.
import { newUlid } from '../../lib/blocks/ulid.ts'

export class RewrittenSources {
  readonly #bySource = new Map<string, string>()

  /** Of the new block `ulid`, ascending: itself among them, unless all the old sources were another block's too. */
  of(ulid: string, oldSources: readonly string[]): string[] {
    let unused: string | undefined = ulid
    for (const source of oldSources) {
      if (this.#bySource.has(source)) continue
      this.#bySource.set(source, unused ?? newUlid())
      unused = undefined
    }
    return oldSources.map((source) => this.#bySource.get(source)!).sort()
  }
}

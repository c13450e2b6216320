// Golden data of test/golden: paths, and the dumps that stand beside blocks.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Labels } from '../../lib/labels/labels.ts'

const root = new URL('../golden/', import.meta.url).pathname

export function goldenPath(...parts: readonly string[]): string {
  return join(root, ...parts)
}

/** A line of a block's dump; aggregate chunks have no `samples` of their own. */
export interface DumpedSeries {
  readonly labels: Labels
  readonly ref: number
  readonly tombstones: readonly (readonly [number, number])[]
  readonly chunks: readonly {
    readonly minTime: number
    readonly maxTime: number
    readonly ref: number
    readonly encoding: number
    readonly samples: number
    /** Without length, encoding and checksum. */
    readonly bytes: number
  }[]
  /** Time in ms, value as Go's 'g' prints it (NaN:<16 hex digits>), start timestamp where there is one. */
  readonly samples: readonly (readonly [number, string, number?])[]
}

export interface GoldenBlock {
  /** 'blocks/floats' and the like. */
  readonly name: string
  readonly ulid: string
  readonly folder: string
}

/** The whole blocks in the folders of test/golden/blocks. */
export function goldenBlocks(): GoldenBlock[] {
  return readdirSync(goldenPath('blocks')).map((kind) => {
    const ulid = readdirSync(goldenPath('blocks', kind)).find((name) => !name.includes('.'))!
    return { name: `blocks/${kind}`, ulid, folder: goldenPath('blocks', kind, ulid) }
  })
}

export function goldenBlock(name: string): GoldenBlock {
  return goldenBlocks().find((block) => block.name === name)!
}

export function readDump(block: GoldenBlock): DumpedSeries[] {
  const text = gunzipSync(readFileSync(`${block.folder}.jsonl.gz`)).toString()
  const lines = text.split('\n').filter((line) => line !== '')
  return lines.map((line) => {
    const series = JSON.parse(line) as DumpedSeries & { labels: [string, string][] }
    return { ...series, labels: series.labels.flat(), tombstones: series.tombstones ?? [] }
  })
}

// A person's own format of a block: text with fields of its meta in it, `{{.ULID}} {{.Thanos.Labels.cluster}}`.
// Specification: `thanos tools bucket ls --output`, a Go template over the meta; of that language, fields alone.
// Owns the fields' names, which are those of Thanos's structs, and their spelling, which is Go's %v.
import type { BlockMeta } from '../../lib/blocks/meta.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import { labelsToObject } from '../../lib/labels/labels.ts'

type Field = string | number | boolean | readonly string[] | { readonly [name: string]: Field }

/** The format as a function. Throws `config` for what is no field of a meta. */
export function compileMetaTemplate(template: string): (meta: BlockMeta) => string {
  const pieces = template.split(/\{\{(.*?)\}\}/s)
  return (meta) =>
    pieces.map((piece, i) => (i % 2 === 0 ? piece : formatField(lookUp(fieldsOf(meta), piece.trim())))).join('')
}

function lookUp(fields: Field, expression: string): Field {
  if (!/^(?:\.[^\s.{}|()]+)+$/.test(expression)) throw wrong(expression)
  let at: Field = fields
  const names = expression.slice(1).split('.')
  for (const [i, name] of names.entries()) {
    const isLabel = i === 2 && names[0] === 'Thanos' && names[1] === 'Labels'
    const next: Field | undefined =
      typeof at === 'object' && !Array.isArray(at) && Object.hasOwn(at, name)
        ? (at as Record<string, Field>)[name]
        : isLabel
          ? ''
          : undefined
    if (next === undefined) throw wrong(expression)
    at = next
  }
  return at
}

function wrong(expression: string): MnemoError {
  const want = "want fields of a block's meta.json alone, such as {{.ULID}} or {{.Thanos.Labels.cluster}}"
  return new MnemoError('config', `cannot use --output: got {{${expression}}}, ${want}`)
}

function fieldsOf({ ulid, minTime, maxTime, stats, compaction, thanos }: BlockMeta): Field {
  return {
    ULID: ulid,
    MinTime: minTime,
    MaxTime: maxTime,
    Version: 1,
    Stats: {
      NumSamples: stats.numSamples,
      NumFloatSamples: stats.numFloatSamples ?? 0,
      NumHistogramSamples: stats.numHistogramSamples ?? 0,
      NumSeries: stats.numSeries,
      NumChunks: stats.numChunks,
      NumTombstones: stats.numTombstones ?? 0,
    },
    Compaction: {
      Level: compaction.level,
      Sources: compaction.sources,
      Failed: compaction.failed === true,
      Deletable: compaction.deletable === true,
    },
    Thanos: {
      Labels: labelsToObject(thanos.labels),
      Downsample: { Resolution: thanos.resolutionMs },
      Source: thanos.source,
      SegmentFiles: thanos.segmentFiles,
    },
  }
}

function formatField(field: Field): string {
  if (typeof field !== 'object') return String(field)
  if (Array.isArray(field)) return `[${field.join(' ')}]`
  const entries = Object.entries(field as Record<string, Field>)
  return `map[${entries.map(([name, value]) => `${name}:${formatField(value)}`).join(' ')}]`
}

// Label sets: flat, sorted pairs of strings, and their order.
// Sorted by bytes (UTF-8) as Prometheus sorts them, which is not JavaScript's order above the BMP.
// Owns the representation; everything above reads labels through these functions.

/** `[name, value, name, value, …]`, names ascending by UTF-8 bytes, no name twice, no empty value. */
export type Labels = readonly string[]

export const metricName = '__name__'

/** Order of two strings by their UTF-8 bytes, without encoding them: negative, 0 or positive. */
export function compareStrings(a: string, b: string): number {
  const n = Math.min(a.length, b.length)
  for (let i = 0; i < n; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return orderOf(x) - orderOf(y)
  }
  return a.length - b.length
}

// UTF-16 puts surrogates (which stand for code points above the BMP) below U+E000…U+FFFF: swap the two.
function orderOf(codeUnit: number): number {
  if (codeUnit < 0xd800) return codeUnit
  return codeUnit >= 0xe000 ? codeUnit - 0x800 : codeUnit + 0x2000
}

/** Prometheus's order of label sets: pair by pair, then the shorter first. */
export function compareLabels(a: Labels, b: Labels): number {
  const n = Math.min(a.length, b.length)
  for (let i = 0; i < n; i++) {
    const x = a[i]!
    const y = b[i]!
    if (x !== y) return compareStrings(x, y)
  }
  return a.length - b.length
}

/** The value of a label, '' where it is missing (Prometheus's rule). */
export function labelValue(labels: Labels, name: string): string {
  for (let i = 0; i < labels.length; i += 2) if (labels[i] === name) return labels[i + 1]!
  return ''
}

/** A label set of an object or of pairs: sorted, without empty values. */
export function labelsOf(pairs: Readonly<Record<string, string>> | Iterable<readonly [string, string]>): Labels {
  const entries = Symbol.iterator in pairs ? [...pairs] : Object.entries(pairs)
  return entries
    .filter(([, value]) => value !== '')
    .sort(([a], [b]) => compareStrings(a, b))
    .flat()
}

/** The label set as an object, for JSON. */
export function labelsToObject(labels: Labels): Record<string, string> {
  const object: Record<string, string> = {}
  for (let i = 0; i < labels.length; i += 2) object[labels[i]!] = labels[i + 1]!
  return object
}

/** The label set without the named labels; the same array where none is there. */
export function withoutLabels(labels: Labels, names: ReadonlySet<string>): Labels {
  let out: string[] | undefined
  for (let i = 0; i < labels.length; i += 2) {
    if (names.has(labels[i]!)) out ??= labels.slice(0, i)
    else out?.push(labels[i]!, labels[i + 1]!)
  }
  return out ?? labels
}

/** Both label sets as one; where a name is in both, `over` wins. */
export function overlayLabels(labels: Labels, over: Labels): Labels {
  const out: string[] = []
  let i = 0
  let j = 0
  while (i < labels.length || j < over.length) {
    const order = i >= labels.length ? 1 : j >= over.length ? -1 : compareStrings(labels[i]!, over[j]!)
    if (order < 0) out.push(labels[i]!, labels[i + 1]!)
    else out.push(over[j]!, over[j + 1]!)
    if (order <= 0) i += 2
    if (order >= 0) j += 2
  }
  return out
}

/** A string that is equal for equal label sets alone: a map key. */
export function labelsKey(labels: Labels): string {
  // A lone surrogate is in no label, those come from UTF-8; \xff would be the letter ÿ.
  return labels.join('\ud800')
}

/** `{a="b", c="d"}` for messages and logs. */
export function formatLabels(labels: Labels): string {
  const pairs: string[] = []
  for (let i = 0; i < labels.length; i += 2) pairs.push(`${labels[i]}=${JSON.stringify(labels[i + 1])}`)
  return `{${pairs.join(', ')}}`
}

// Label names in paths: `U__` escapes UTF-8 names for clients that know ASCII names alone.
// Specification: prometheus/common model.UnescapeName, value encoding escaping.
// Owns the unescaping.

/** The name that an escaped one stands for (`U__label_2e_with_2e_dots`); any other, or one that is ill-formed, as it is. */
export function unescapeLabelName(name: string): string {
  if (!name.startsWith('U__')) return name
  const escaped = name.slice(3)
  const pieces = /__|_([0-9A-Fa-f]{1,5})_|[^_]+/gy
  let text = ''
  while (pieces.lastIndex < escaped.length) {
    const match = pieces.exec(escaped)
    if (!match) return name
    const [piece, hex] = match
    if (piece === '__') text += '_'
    else if (hex === undefined) text += piece
    else {
      const code = Number.parseInt(hex, 16)
      if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return name
      text += String.fromCodePoint(code)
    }
  }
  return text
}

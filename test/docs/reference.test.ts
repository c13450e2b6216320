// docs/reference.md says what the running services say: no flag or metric is missing, none is there no more.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { reference } from './reference.ts'

const file = fileURLToPath(new URL('../../docs/reference.md', import.meta.url))

test('docs/reference.md is what --help and /metrics say', async () => {
  const text = await reference()
  if (process.env.UPDATE) writeFileSync(file, text)
  expect(readFileSync(file, 'utf8'), 'write it anew with UPDATE=1 npm test -- test/docs').toBe(text)
}, 120_000)

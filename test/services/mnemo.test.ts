// The executable without a service: help, version, and one line for what it does not know.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

function mnemo(...args: string[]): { status: number | null; out: string; err: string } {
  return mnemoWith({}, ...args)
}

function mnemoWith(env: NodeJS.ProcessEnv, ...args: string[]): ReturnType<typeof mnemo> {
  const { status, stdout, stderr } = spawnSync(`${root}bin/mnemo`, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
  return { status, out: stdout, err: stderr }
}

test('--help lists the services', () => {
  const { status, out, err } = mnemo('--help')
  expect(status).toBe(0)
  expect(err).toBe('')
  for (const service of ['sidecar', 'store', 'query', 'compact', 'tools', 'cluster'])
    expect(out).toMatch(new RegExp(`^  ${service} `, 'm'))
})

test('--version', () => {
  expect(mnemo('--version')).toMatchObject({ status: 0, out: expect.stringMatching(/^mnemo \d+\.\d+\.\d+ \(Node/) })
})

test('an unknown service: one line, status 2', () => {
  for (const name of ['stroe', 'toString'])
    expect(mnemo(name)).toEqual({
      status: 2,
      out: '',
      err: `mnemo: got unknown service "${name}", want one of sidecar, store, query, compact, tools, cluster\n`,
    })
})

test('no service: usage, status 2', () => {
  expect(mnemo()).toMatchObject({ status: 2, err: expect.stringContaining('usage: mnemo <service>') })
})

test('compile leaves nothing to compile for any service', () => {
  const cache = mkdtempSync(path.join(tmpdir(), 'mnemo-compile-'))
  try {
    const env = { NODE_COMPILE_CACHE: cache, NODE_DISABLE_COMPILE_CACHE: undefined }
    expect(mnemoWith(env, 'compile')).toMatchObject({ status: 0, out: expect.stringContaining(`into ${cache}`) })
    const compiled = readdirSync(cache, { recursive: true }).length
    for (const service of ['sidecar', 'store', 'query', 'compact', 'tools', 'cluster'])
      expect(mnemoWith(env, service, '--help').status).toBe(0)
    expect(readdirSync(cache, { recursive: true })).toHaveLength(compiled)
  } finally {
    rmSync(cache, { recursive: true })
  }
})

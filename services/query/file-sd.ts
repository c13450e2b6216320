// Addresses of stores from files, for --store.sd-files: Prometheus's file discovery, found by name or pattern, watched.
// Format: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config: a list of {targets, labels},
// JSON or YAML; labels mean nothing here. Owns the reading; what is done with addresses is discovery.ts's.
import { globSync, readFileSync } from 'node:fs'
import { watch } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse } from 'yaml'
import { MnemoError } from '../../lib/kit/errors.ts'
import type { Logger } from '../../lib/kit/log.ts'

/** Addresses of all files that the patterns name, each once. Throws `config` naming a file that cannot be read. */
export function readSdFiles(patterns: readonly string[]): readonly string[] {
  const files = new Set(patterns.flatMap((pattern) => globSync(pattern).sort()))
  return [...new Set([...files].flatMap(readFile))]
}

function readFile(file: string): string[] {
  let groups: unknown
  try {
    // JSON is YAML.
    groups = parse(readFileSync(file, 'utf8')) ?? []
  } catch (cause) {
    throw new MnemoError('config', `cannot read ${file}, which --store.sd-files names`, { cause })
  }
  if (!Array.isArray(groups)) throw wrong(file, 'got no list, want one of groups of targets')
  return groups.flatMap((group: unknown) => {
    const targets: unknown =
      typeof group === 'object' && group !== null && 'targets' in group ? group.targets : undefined
    if (Array.isArray(targets) && targets.every((target) => typeof target === 'string')) return targets
    throw wrong(file, `got the group ${JSON.stringify(group)}, want targets, a list of addresses`)
  })
}

function wrong(file: string, what: string): MnemoError {
  return new MnemoError('config', `cannot use ${file}, which --store.sd-files names: ${what}`)
}

/** Editors and mounts write in several steps. */
const settleMs = 100

/** Calls `onChange` when something changes in a folder of the patterns; where that cannot be seen, a line says so. */
export async function watchSdFiles(
  patterns: readonly string[],
  { onChange, logger, signal }: { onChange: () => Promise<void>; logger: Logger; signal: AbortSignal },
): Promise<void> {
  const folders = new Set(patterns.map((pattern) => path.dirname(pattern)))
  await Promise.all(
    [...folders].map(async (folder) => {
      try {
        for await (const _event of watch(folder, { signal, maxQueue: 16, overflow: 'ignore' })) {
          await sleep(settleMs, undefined, { signal })
          await onChange()
        }
      } catch (err) {
        signal.throwIfAborted()
        logger.warn({ folder, err }, 'cannot watch files of stores: they are read again at --store.sd-interval')
      }
    }),
  )
}

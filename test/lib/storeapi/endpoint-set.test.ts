// What is known of stores over time: health, labels, those that leave.
// Subject: lib/storeapi/endpoint-set.ts. Owns nothing.
import { describe, expect, test } from 'vitest'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { labelsOf } from '../../../lib/labels/labels.ts'
import { EndpointSet, type EndpointSetOptions } from '../../../lib/storeapi/endpoint-set.ts'
import type { StoreApi } from '../../../lib/storeapi/types.ts'
import { anyTime, fakeStore } from '../../support/fake-store.ts'

describe('discovery', () => {
  function setOf(apis: Record<string, StoreApi>, over: Partial<EndpointSetOptions> = {}) {
    const changes: string[] = []
    const set = new EndpointSet({
      targets: Object.keys(apis).map((address) => ({ address })),
      connect: ({ address }) => apis[address]!,
      infoTimeoutMs: 50,
      unhealthyTimeoutMs: 60_000,
      onChange: ({ address, lastError }) => changes.push(`${address} ${lastError ?? 'up'}`),
      ...over,
    })
    return { set, changes, refresh: () => set.refresh(new AbortController().signal) }
  }

  test('before the first answer a store may hold anything, and is down', () => {
    const { set } = setOf({ 'a:1': fakeStore([]) })
    expect(set.endpoints[0]).toMatchObject({ hasStore: true, lastError: 'it has not been asked yet', labelSets: [] })
  })

  test('learns labels, times and abilities; keeps them while the store is lost', async () => {
    const labelSets = [labelsOf({ cluster: 'x' }), []]
    const api = fakeStore([], { info: { labelSets, store: { ...anyTime, minTime: 5, maxTime: 7 } } })
    const { set, changes, refresh } = setOf({ 'a:1': api })
    await refresh()
    const known = { labelSets: [['cluster', 'x']], minTime: 5, maxTime: 7, supportsWithoutReplicaLabels: true }
    expect(set.endpoints[0]).toMatchObject(known)
    api.info = () => Promise.reject(new MnemoError('unavailable', 'refused'))
    await refresh()
    await refresh()
    expect(set.endpoints[0]).toMatchObject({ ...known, lastError: 'refused' })
    api.info = async () => ({ labelSets: [], componentType: 'rule' })
    await refresh()
    expect(set.endpoints[0]).toMatchObject({ hasStore: false, componentType: 'rule' })
    expect(set.endpoints[0]).not.toHaveProperty('lastError')
    expect(changes).toEqual(['a:1 up', 'a:1 refused', 'a:1 up'])
  })

  test('a store that offers no StoreAPI yet is down, with the labels that it had', async () => {
    const api = fakeStore([])
    const { set, refresh } = setOf({ 'a:1': api })
    const ready = api.info
    // Before its first sync a store knows a part of its labels alone.
    api.info = async () => ({ labelSets: [['a', 'some']], componentType: 'store' })
    await refresh()
    const notReady = { hasStore: true, lastError: 'the store is not ready: it offers no StoreAPI yet' }
    expect(set.endpoints[0]).toMatchObject({ ...notReady, labelSets: [] })
    api.info = async (signal) => ({ ...(await ready(signal)), labelSets: [['a', 'all']] })
    await refresh()
    expect(set.endpoints[0]!.lastError).toBeUndefined()
    api.info = async () => ({ labelSets: [], componentType: 'store' })
    await refresh()
    expect(set.endpoints[0]).toMatchObject({ ...notReady, labelSets: [['a', 'all']] })
  })

  test('one that does not answer in time is down; the others are not held up', async () => {
    const silent = fakeStore([])
    silent.info = (signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
    const { set, refresh } = setOf({ 'a:1': silent, 'b:1': fakeStore([]) })
    await refresh()
    expect(set.endpoints[0]!.lastError).toBe('got no answer to Info for 50 ms')
    expect(set.endpoints[1]!.lastError).toBeUndefined()
  })

  test('the stores page: by component type, with the last error, until the unhealthy timeout', async () => {
    const dead = fakeStore([])
    dead.info = () => Promise.reject(new MnemoError('unavailable', 'refused'))
    const alive = fakeStore([], { info: { componentType: 'sidecar', labelSets: [labelsOf({ r: 'a' })] } })
    const { set, refresh } = setOf({ 'b:1': dead, 'a:1': alive })
    await refresh()
    expect(set.statuses).toMatchObject({
      sidecar: [{ name: 'a:1', lastError: null, labelSets: [['r', 'a']] }],
      'unknown-store-api': [{ name: 'b:1', lastError: 'refused', lastCheck: '0001-01-01T00:00:00Z' }],
    })
    const hasty = setOf({ 'b:1': dead }, { unhealthyTimeoutMs: 0 })
    await hasty.refresh()
    expect(hasty.set.statuses).toEqual({})
    expect(hasty.set.endpoints).toHaveLength(1)
  })

  test('an address that is given twice is asked once', () => {
    const { set } = setOf({ 'a:1': fakeStore([]) }, { targets: [{ address: 'a:1' }, { address: 'a:1' }] })
    expect(set.endpoints).toHaveLength(1)
  })

  test('keepFresh ends with its signal', async () => {
    const { set, changes } = setOf({ 'a:1': fakeStore([]) })
    const abort = new AbortController()
    const running = set.keepFresh(5, abort.signal)
    await expect.poll(() => changes).toEqual(['a:1 up'])
    abort.abort()
    await running
  })

  describe('targets that change', () => {
    test('one that left stays, asked, for the unhealthy timeout; then its connection is closed', async () => {
      const closed: string[] = []
      const connect = ({ address }: { address: string }) => ({
        ...fakeStore([]),
        close: () => closed.push(address),
      })
      const { set, refresh } = setOf({}, { connect, targets: [{ address: 'a:1' }], unhealthyTimeoutMs: 40 })
      await refresh()
      set.setTargets([{ address: 'b:1' }])
      await refresh()
      expect(set.endpoints.map(({ address, lastError }) => [address, lastError])).toEqual([
        ['a:1', undefined],
        ['b:1', undefined],
      ])
      await new Promise((resolve) => setTimeout(resolve, 50))
      await refresh()
      expect(set.endpoints.map(({ address }) => address)).toEqual(['b:1'])
      expect(closed).toEqual(['a:1'])
    })

    test('one that comes back in time stays', async () => {
      const { set, refresh } = setOf({ 'a:1': fakeStore([]) }, { unhealthyTimeoutMs: 30 })
      set.setTargets([])
      set.setTargets([{ address: 'a:1' }])
      await new Promise((resolve) => setTimeout(resolve, 40))
      await refresh()
      expect(set.endpoints).toHaveLength(1)
    })

    test('a target with a problem is down by it, and gone once it is no target', async () => {
      const { set, changes, refresh } = setOf({}, { targets: [{ address: 'dns+x:1', problem: 'cannot resolve it' }] })
      await refresh()
      await refresh()
      expect(changes).toEqual(['dns+x:1 cannot resolve it'])
      expect(set.endpoints).toMatchObject([{ address: 'dns+x:1', hasStore: true, lastError: 'cannot resolve it' }])
      set.setTargets([])
      expect(set.endpoints).toEqual([])
    })

    test('a strict one is never cleaned from the stores page', async () => {
      const dead = fakeStore([])
      dead.info = () => Promise.reject(new MnemoError('unavailable', 'refused'))
      const targets = [{ address: 'a:1', isStrict: true }]
      const { set, refresh } = setOf({ 'a:1': dead }, { targets, unhealthyTimeoutMs: 0 })
      await refresh()
      expect(set.statuses).toMatchObject({ 'unknown-store-api': [{ name: 'a:1', lastError: 'refused' }] })
    })
  })
})

// A store that takes no batches for a while, as if nobody worked on it; reading it goes on.
import type { Store } from '../platform/ports.ts'
import { StoreUnavailable } from '../platform/ports.ts'
import { faultyStore } from './faulty-store.ts'

export interface PausableStore extends Store {
  pause(): void
  resume(): void
}

export function pausableStore(store: Store): PausableStore {
  let isPaused = false
  const faulty = faultyStore(store)
  return {
    ...faulty,
    begin: async (locks) => {
      if (isPaused) throw new StoreUnavailable('A test lets nobody work on this store.')
      return faulty.begin(locks)
    },
    pause: () => {
      isPaused = true
    },
    resume: () => {
      isPaused = false
    },
  }
}

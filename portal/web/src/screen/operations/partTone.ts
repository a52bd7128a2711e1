import type { Part } from '../../api/types'
import type { Tone } from '../../part/Sign'

/** How a part's state is marked on every screen. */
export const partTone: Record<Part['state'], Tone> = { up: 'ok', starting: 'info', down: 'urgent', absent: 'none' }

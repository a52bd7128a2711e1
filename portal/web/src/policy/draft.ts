import type { Json, Layer, Mode, OwnLayer, PolicyState, Tree } from '../api/types'

/** What somebody has changed on the screen and not yet applied. */
export interface Draft {
  /** New values by field; undefined takes the layer's own value away. */
  values: Record<string, Json | undefined>
  mode?: Mode | undefined
  locks?: string[] | undefined
}

export const nothing: Draft = { values: {} }

/** One layer of a body's policy as the form reads it: the values below it and its own. */
export interface Layers {
  layer: OwnLayer
  fallback: Tree
  baseline: Tree
  own: Tree
  mode: Mode
  modeFrom: Layer
  locks: string[]
}

export function layersOf(state: PolicyState, fallback: Tree): Layers {
  const isBaseline = state.layer === 'baseline'
  const baseline = isBaseline ? {} : (state.baseline?.body ?? {})
  return {
    layer: state.layer,
    fallback,
    baseline,
    own: state.document?.body ?? {},
    mode: state.effective?.mode ?? state.document?.mode ?? (isBaseline ? undefined : state.baseline?.mode) ?? 'ours',
    modeFrom: state.document?.mode ? state.layer : !isBaseline && state.baseline?.mode ? 'baseline' : 'default',
    locks: (isBaseline ? state.document?.locks : state.baseline?.locks) ?? [],
  }
}

/** Whether the operator fixed a field; "mode" is the envelope's. */
export function locked(l: Layers, field: string): boolean {
  return l.layer === 'override' && l.locks.some((lock) => lock === '/' + field || lock === '')
}

/** What the layers below say: the value and whose it is. */
export function below(l: Layers, field: string): { value: Json; layer: Layer } {
  const based = l.baseline[field]
  if (based !== undefined) return { value: based, layer: 'baseline' }
  return { value: l.fallback[field] ?? null, layer: 'default' }
}

/** The value that holds with the draft laid on, and the layer it comes from. */
export function holds(l: Layers, draft: Draft, field: string): { value: Json; layer: Layer; changed: boolean } {
  const changed = field in draft.values
  const own = changed ? draft.values[field] : l.own[field]
  if (own === undefined || locked(l, field)) return { ...below(l, field), changed }
  return { value: own, layer: l.layer, changed }
}

/** The layer's whole body with the draft laid on. */
export function bodyOf(l: Layers, draft: Draft): Tree {
  const body: Tree = { ...l.own }
  for (const [field, value] of Object.entries(draft.values)) {
    if (value === undefined) delete body[field]
    else body[field] = value
  }
  return body
}

export function same(a: Json | undefined, b: Json | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** The draft with one field set; a field that is as it was is no change. */
export function withValue(l: Layers, draft: Draft, field: string, value: Json | undefined): Draft {
  const values = { ...draft.values, [field]: value }
  const unchanged = value === undefined ? l.own[field] === undefined : same(value, l.own[field] ?? below(l, field).value)
  if (unchanged) delete values[field]
  return { ...draft, values }
}

/** How many things a draft changes. */
export function changes(draft: Draft): number {
  return Object.keys(draft.values).length + (draft.mode ? 1 : 0) + (draft.locks ? 1 : 0)
}

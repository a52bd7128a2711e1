import { useEffect, useState } from 'react'
import { api } from '../api/client'
import { Problem } from '../api/problem'
import type { EntryProblem, EventRow, OwnLayer, Page, PolicyState, Tenant, Tree, Version, Why } from '../api/types'
import { useLoad, type Loaded } from '../api/useLoad'
import { Button } from '../part/Button'
import { Crumbs } from '../part/Crumbs'
import { ErrorNote } from '../part/ErrorNote'
import { Icon } from '../part/Icon'
import { State } from '../part/State'
import { useRouter } from '../route/router'
import { useSession } from '../session/session'
import { useText } from '../text/text'
import { ChangeDialog } from './ChangeDialog'
import { bodyOf, changes, holds, layersOf, nothing, withValue, type Draft } from './draft'
import { exceptionFor } from './exception'
import { EffectPreview } from './EffectPreview'
import type { FieldForm } from './forms'
import { History } from './History'
import { OriginChip } from './OriginChip'
import { PolicyForm } from './PolicyForm'
import { usePreview } from './usePreview'

interface Props {
  path: string
  layer: OwnLayer
  load: Loaded<PolicyState>
  fallback: Tree
  body: Tenant
  service: string
  fields: FieldForm[]
  /** What the last write did, in words; empty before. */
  applied: string
  onApplied: (words: string) => void
}

const strip = (e: EntryProblem): EntryProblem => ({ ...e, path: e.path.replace(/^\/body(?=\/)/, '') })

/** The form with its draft, the effect of the draft, the history, and the bar that applies it. */
export function PolicyEditor({ path, layer, load, fallback, body, service, fields, applied, onApplied }: Props) {
  const { t, language } = useText()
  const { can, wide, me } = useSession()
  const { query, narrow } = useRouter()
  const state = load.data as PolicyState
  const [draft, setDraft] = useState<Draft>(nothing)
  const [seen, setSeen] = useState(false)
  const [asking, setAsking] = useState<'apply' | { back: Version } | { approve: Version }>()
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const history = useLoad<Page<Version>>(`${path}/history?layer=${layer}`)

  const layers = layersOf(state, fallback)
  const count = changes(draft)
  const canWrite = layer === 'baseline' ? can('policy.baseline') : can('policy.write')
  const sent = {
    body: bodyOf(layers, draft),
    ...(draft.mode || state.document?.mode ? { mode: draft.mode ?? state.document?.mode } : {}),
    ...(layer === 'baseline' ? { locks: draft.locks ?? layers.locks } : {}),
  }
  const {
    preview,
    busy: trying,
    problem: previewProblem,
  } = usePreview(`${path}/preview?layer=${layer}`, count > 0 ? (sent as { body: Tree }) : null)
  const name = language === 'en' && body.name_en ? body.name_en : body.name
  const title = t(`policy.${service}`)
  const careful = preview?.replay?.samples.some((s) => s.likely === 'legitimate' && s.direction === 'newly_blocked') ?? false
  const errors = [...(problem?.errors ?? []), ...(count > 0 ? (preview?.problems ?? []) : state.problems)].map(strip)

  useEffect(() => {
    document.title = `${title} | ${t('product')}`
  }, [title, t])
  useEffect(() => {
    if (count === 0) return
    const warn = (e: BeforeUnloadEvent) => e.preventDefault()
    window.addEventListener('beforeunload', warn)
    return () => window.removeEventListener('beforeunload', warn)
  }, [count])

  // An event's page leads here with its id: the exception for it is drafted.
  const except = query.get('except')
  useEffect(() => {
    if (!except || !canWrite || !fields.some((f) => f.name === 'exclusions')) return
    let current = true
    void api.get<EventRow>(`/events/${encodeURIComponent(except)}`).then(({ data }) => {
      if (!current) return
      const rows = holds(layers, nothing, 'exclusions').value
      setDraft(withValue(layers, nothing, 'exclusions', [...(Array.isArray(rows) ? rows : []), exceptionFor(data, me.user.name)]))
      narrow({ except: undefined }, true)
    })
    return () => {
      current = false
    }
  }, [except])

  const change = (next: Draft) => {
    setDraft(next)
    setSeen(false)
    setProblem(undefined)
  }
  const apply = () => {
    if (careful && !seen) {
      document.getElementById('doubtful')?.focus()
      return
    }
    if (errors.length === 0) setAsking('apply')
    else document.querySelector('main [role="alert"]')?.scrollIntoView({ block: 'center' })
  }
  const write = async (why: Why) => {
    setBusy(true)
    setProblem(undefined)
    try {
      const answer =
        asking === 'apply'
          ? await api.put<PolicyState>(`${path}?explain=1&layer=${layer}`, { ...sent, change: why }, load.etag || state.etag)
          : asking && 'approve' in asking
            ? await api.post<PolicyState>(`${path}/approve?layer=${layer}`, {
                version: asking.approve.version,
                reference: why.reference ?? '',
              })
            : await api.post<PolicyState>(`${path}/rollback?layer=${layer}`, { version: asking?.back.version, change: why })
      onApplied(
        t(asking !== 'apply' && asking && 'approve' in asking ? 'history.approved' : 'policy.applied', {
          n: answer.data.document?.version ?? 0,
        }),
      )
      // An approval makes no new version, so nothing else closes the question.
      setAsking(undefined)
      history.reload()
      load.set(answer.data, answer.etag)
    } catch (cause) {
      const found = cause instanceof Problem ? cause : new Problem(0, {})
      setProblem(found)
      if (found.errors.some((e) => !e.path.includes('/change') && !e.path.endsWith('/reference')) && asking === 'apply')
        setAsking(undefined)
    } finally {
      setBusy(false)
    }
  }
  const trail =
    layer === 'baseline' || wide
      ? [{ label: t('room.web'), href: '/web' }]
      : [
          { label: t('room.settings'), href: '/settings' },
          { label: t('room.web'), href: '/web' },
        ]
  const version = state.document?.version
  return (
    <div className="flex grow flex-col">
      <div className="flex grow max-lg:flex-col">
        <div className="flex min-w-0 flex-1 flex-col gap-4 px-10 pt-6 pb-10 max-md:px-4">
          <Crumbs trail={[...trail, { label: layer === 'baseline' ? t('policy.baseline_of', { name }) : name }, { label: title }]} />
          <div className="flex flex-wrap items-center gap-x-5 gap-y-1">
            <h1 tabIndex={-1} className="text-28 font-700">
              {title}
            </h1>
            <State tone={layers.mode === 'ours' ? 'ok' : 'info'}>
              {t('policy.state.' + layers.mode)}
              {version ? ` ${t('policy.version', { n: version })}` : ''}
            </State>
          </div>
          <p className="flex flex-wrap items-center gap-2 text-ink-2">
            {t('policy.where_from')}
            <OriginChip layer="default" body={name} />
            <Icon name="right" size={14} />
            <OriginChip layer="baseline" body={name} />
            {layer === 'override' && (
              <>
                <Icon name="right" size={14} />
                <OriginChip layer="override" body={name} />
              </>
            )}
            {t('policy.priority')}
          </p>
          <div role="status">{applied && count === 0 && <p className="rounded-8 bg-green-50 p-4 text-green-900">{applied}</p>}</div>
          {!canWrite && <p role="status">{t('policy.read_only')}</p>}
          {(state.effective?.ignored?.length ?? 0) > 0 && (
            <p className="rounded-8 bg-yellow-50 p-4 text-yellow-1100">
              {t('policy.ignored', {
                fields: (state.effective?.ignored ?? [])
                  .map((p) => t(p === '/mode' ? 'policy.mode' : `policy.${service}.${p.slice(1)}`))
                  .join(t('list.comma')),
              })}
            </p>
          )}
          {problem && !asking && (
            <ErrorNote
              problem={problem}
              what={t('change.failed')}
              onRetry={problem.status === 409 || problem.status === 412 ? load.reload : undefined}
            />
          )}
          <PolicyForm
            service={service}
            fields={fields}
            layers={layers}
            draft={draft}
            body={name}
            readOnly={!canWrite}
            errors={errors}
            onChange={change}
          />
        </div>
        <aside
          aria-label={t('policy.side')}
          className="flex w-[420px] shrink-0 flex-col gap-7 border-l border-hair bg-side px-7 py-6 max-2xl:w-[372px] max-lg:w-full max-lg:border-t max-lg:border-l-0 max-md:px-4"
        >
          {canWrite && (
            <EffectPreview
              replay={preview?.problems?.length ? undefined : preview?.replay}
              busy={trying}
              problem={previewProblem}
              changed={count > 0}
              seen={seen}
              onSeen={() => setSeen(true)}
            />
          )}
          <History
            service={service}
            load={history}
            canWrite={canWrite && count === 0}
            onBack={(back) => setAsking({ back })}
            onApprove={(approve) => setAsking({ approve })}
          />
        </aside>
      </div>
      {count > 0 && (
        <div className="sticky bottom-0 z-20 flex flex-wrap items-center justify-end gap-x-4 gap-y-3 border-t border-hair bg-white px-10 py-3 max-md:px-4">
          <p role="status" className="mr-auto">
            <strong>{t('policy.changes', { n: count })}</strong>{' '}
            <span className="text-ink-2">
              {errors.length > 0 ? t('policy.mend') : careful && !seen ? t('policy.look_first') : t('policy.not_yet')}
            </span>
          </p>
          <Button look="text" onClick={() => change(nothing)}>
            {t('policy.discard')}
          </Button>
          <Button look="primary" busy={trying} onClick={apply}>
            {t('policy.apply')}
          </Button>
        </div>
      )}
      {asking && (
        <ChangeDialog
          title={
            asking === 'apply'
              ? t('change.title', { service: title })
              : 'approve' in asking
                ? t('history.approve_title', { n: asking.approve.version })
                : t('history.back_to', { n: asking.back.version })
          }
          what={t(asking === 'apply' ? 'change.what' : 'approve' in asking ? 'history.approve_what' : 'history.back_what', {
            name,
            n: count,
          })}
          verb={t(asking === 'apply' ? 'policy.apply' : 'approve' in asking ? 'history.approve' : 'history.back_go')}
          approving={asking !== 'apply' && 'approve' in asking}
          numberAlways={state.reference_mandatory}
          busy={busy}
          problem={problem}
          onReload={() => {
            setAsking(undefined)
            setProblem(undefined)
            load.reload()
          }}
          onClose={() => {
            setAsking(undefined)
            setProblem(undefined)
          }}
          onGo={(why) => void write(why)}
        />
      )}
    </div>
  )
}

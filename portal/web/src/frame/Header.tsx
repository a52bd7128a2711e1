import { useEffect, useState } from 'react'
import { useSession } from '../session/session'
import { Link } from '../route/Link'
import { clockTime, day } from '../text/format'
import { useText } from '../text/text'
import { Icon } from '../part/Icon'
import { FindBox } from './FindBox'
import { LanguageSwitch } from './LanguageSwitch'
import { Mark } from './Mark'
import { UserMenu } from './UserMenu'

interface Props {
  menu: boolean
  onMenu: () => void
  onHelp: () => void
}

export function Header({ menu, onMenu, onHelp }: Props) {
  const { t, language } = useText()
  const { me, wide, can } = useSession()
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 10_000)
    return () => clearInterval(timer)
  }, [])
  const body = language === 'en' && me.tenant.name_en ? me.tenant.name_en : me.tenant.name
  return (
    <header className="flex min-h-16 flex-wrap items-center gap-x-4 gap-y-1 border-b border-hair bg-white px-5 max-md:px-3">
      <button
        type="button"
        aria-expanded={menu}
        aria-controls="rooms"
        onClick={onMenu}
        className="flex min-h-12 min-w-12 items-center justify-center gap-2 rounded-8 md:hidden"
      >
        <Icon name={menu ? 'close' : 'menu'} />
        <span className="max-[400px]:sr-only">{t('frame.menu')}</span>
      </button>
      <Link href="/" className="flex items-center gap-3 text-18 font-700">
        <Mark />
        <span className="max-md:sr-only">{t('product')}</span>
      </Link>
      <span className="border-l border-hair pl-4 max-md:border-0 max-md:pl-0">
        {body}
        {wide && <span className="ml-1.5">{t('role.' + me.user.role)}</span>}
      </span>
      <div className="ml-auto flex flex-wrap items-center justify-end gap-x-4 gap-y-1">
        {wide && can('event.read') && <FindBox />}
        <span className="text-ink-2 max-lg:hidden">
          <time dateTime={new Date(now).toISOString()}>
            {day(now, language)}
            {language === 'en' && ' '}
            {clockTime(now)}
          </time>
          <span className="sr-only">{t('frame.zone')}</span>
        </span>
        <LanguageSwitch />
        <UserMenu onHelp={onHelp} />
      </div>
    </header>
  )
}

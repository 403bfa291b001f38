-- A mute or an acknowledgement can be ended before its time.

grant update (muted_until) on angiogram.mutes to angiogram;

package org.example.lending.money;

import java.util.*;

/** Rounds towards zero. */
public final class Rounding {
    private Rounding() {}

    public static Money down(Money money) {
        return new Money(money.getCents() / 100 * 100, money.getCurrency());
    }

    static String shown(Money money) {
        return FormattingKt.formatted(money, Locale.ROOT);
    }
}

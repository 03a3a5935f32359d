<?php

namespace Acme\Money;

use Acme\Shop\Cart;

class Amount
{
    public function __construct(public readonly float $value)
    {
    }

    public static function zero(): static
    {
        return new static(round(0));
    }

    public static function of(Cart $cart): self
    {
        return $cart->total();
    }
}

<?php

namespace Acme\Shop\Plugin;

use Acme\Shop\Cart;
use Acme\Shop\Wrong;
use Acme\Money\Amount;

class Coupon
{
    public static function apply(Cart $cart): Amount
    {
        return Wrong::class ? $cart->total() : Amount::zero();
    }
}

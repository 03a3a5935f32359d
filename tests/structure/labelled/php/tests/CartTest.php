<?php

namespace Acme\Shop\Tests;

use Acme\Shop\Cart;
use Acme\Shop\Model as M;
use PHPUnit\Framework\TestCase;

final class CartTest extends TestCase
{
    public function testTotal(): void
    {
        $cart = new Cart();
        $cart->add(Factory::product());
        self::assertInstanceOf(M\HasTotal::class, $cart);
    }
}

<?php

namespace Acme\Shop\Exception;

/**
 * Named like PHP's own class: only this namespace means it by the short name.
 */
class Exception extends \Exception
{
}
